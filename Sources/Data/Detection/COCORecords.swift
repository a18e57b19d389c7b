import Files
import Torch

/// The records of a COCO or LVIS file that training needs.
struct COCORecords: Sendable {
  struct Image: Sendable {
    let id: Int
    let fileName: String?
    let url: String?
    let height: Int?
    let width: Int?
    let federated: DetectionDataset.FederatedRules?
  }

  struct Category: Sendable {
    let id: Int
    let name: String
    let keypoints: [String]
  }

  struct Annotation {
    let id: Int?
    let categoryID: Int?
    /// As written; empty where there is none.
    let box: [Double]
    let area: Double?
    let isCrowd: Bool
    /// Decoded when it is needed.
    let segmentation: () -> AnnotationPolicy.Segmentation
    let keypoints: [Double]
  }

  let path: String
  let images: [Image]
  let categories: [Category]
  let annotationCount: Int

  init(_ path: String) throws {
    throw DatasetError.badFile(reason: "\(path): COCO files are not read yet")
  }

  func imageID(_ annotation: Int) -> Int? { nil }

  func annotation(_ index: Int) -> Annotation { preconditionFailure() }
}
