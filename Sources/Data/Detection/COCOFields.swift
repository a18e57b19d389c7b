/// The keys that are read; all others are skipped.
enum COCOField {
  case other
  case id, imageID, categoryID, box, area, isCrowd, ignore, score, segmentation, keypoints, keypointCount
  case fileName, cocoURL, flickrURL, height, width, negativeCategories, notExhaustiveCategories
  case name, frequency
  /// Within a segmentation.
  case size, counts

  var name: String {
    switch self {
    case .other: ""
    case .id: "id"
    case .imageID: "image_id"
    case .categoryID: "category_id"
    case .box: "bbox"
    case .area: "area"
    case .isCrowd: "iscrowd"
    case .ignore: "ignore"
    case .score: "score"
    case .segmentation: "segmentation"
    case .keypoints: "keypoints"
    case .keypointCount: "num_keypoints"
    case .fileName: "file_name"
    case .cocoURL: "coco_url"
    case .flickrURL: "flickr_url"
    case .height: "height"
    case .width: "width"
    case .negativeCategories: "neg_category_ids"
    case .notExhaustiveCategories: "not_exhaustive_category_ids"
    case .name: "name"
    case .frequency: "frequency"
    case .size: "size"
    case .counts: "counts"
    }
  }

  /// Keys of the fields of one kind of record.
  struct Keys {
    private var byLength: [[(key: [UInt8], field: COCOField)]] = []

    init(_ fields: [COCOField]) {
      for field in fields {
        let key = Array(field.name.utf8)
        while byLength.count <= key.count { byLength.append([]) }
        byLength[key.count].append((key, field))
      }
    }

    func field(_ key: UnsafeBufferPointer<UInt8>) -> COCOField {
      guard key.count < byLength.count else { return .other }
      for candidate in byLength[key.count] where key.elementsEqual(candidate.key) { return candidate.field }
      return .other
    }
  }

  static let rows: [COCOField] = [
    .id, .imageID, .categoryID, .box, .area, .isCrowd, .ignore, .score, .segmentation, .keypoints,
    .keypointCount,
  ]
  static let images: [COCOField] = [
    .id, .fileName, .cocoURL, .flickrURL, .height, .width, .negativeCategories, .notExhaustiveCategories,
  ]
  static let categories: [COCOField] = [.id, .name, .frequency, .keypoints]
  static let runLengths: [COCOField] = [.size, .counts]
}
