import Data
import Files
import Foundation
import Testing
import Torch

@Suite struct COCOSetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Opens a file of one image with `goodAnnotation` and others.
  private func open(_ annotations: [String], _ options: DetectionOptions = .init()) throws -> DetectionDataset
  {
    var options = options
    options.maxLeftOut = Fraction(value: 1)
    return try DetectionDataset.open(try makeCOCO(coco([goodAnnotation] + annotations), in: folder), options)
  }

  private func failure(_ text: String, _ options: DetectionOptions = .init(), images: Int = 1) throws
    -> String
  {
    let spec = try makeCOCO(text, images: images, in: folder)
    do {
      _ = try DetectionDataset.open(spec, options)
      return ""
    } catch { return "\(error)" }
  }

  private var json: String { folder.path + "/train.json" }

  @Test func boxesAndFieldsAreRead() throws {
    let set = try open([annotation(#""iscrowd": 1"#)], DetectionOptions(use: .testing))
    #expect(set.kind == .coco && set.classNames == ["cell"] && set.categoryIDs == [3])
    #expect(
      set.objects(0) == [
        AnnotatedObject(box: BoundingBox(x0: 2, y0: 3, x1: 22, y1: 33), classIndex: 0, area: 600),
        AnnotatedObject(box: BoundingBox(x0: 5, y0: 5, x1: 15, y1: 15), classIndex: 0, isCrowd: true),
      ])
    #expect(set.images[0].name == "a.png" && set.images[0].id == 1)
  }

  @Test func crowdsDoNotTrain() throws {
    let set = try open([annotation(#""iscrowd": 1"#)])
    #expect(set.objectCount == 1)
    #expect(set.leftOut.lines() == ["1 crowd (not trained on): image a.png"] && !set.leftOut.isLoss)
  }

  /// Categories count from 0 in the order of their ids, and come out with these.
  @Test func categoryIdsWithGapsComeOutAsTheyWentIn() throws {
    let categories = #"{"id": 90, "name": "b"}, {"id": 3, "name": "cell"}, {"id": 0, "name": "c"}"#
    let spec = try makeCOCO(coco([goodAnnotation], categories: categories), in: folder)
    let set = try DetectionDataset.open(spec)
    #expect(set.classNames == ["c", "cell", "b"] && set.categoryIDs == [0, 3, 90])
    #expect(set.objects(0)[0].classIndex == 1)
  }

  @Test(arguments: [
    (#""bbox": [5, 5, 0, 10]"#, AnnotationFault.empty, "1 box without area: a.png, annotation 2"),
    (#""bbox": [5, 5, 1e-7, 10]"#, .empty, "1 box without area: a.png, annotation 2"),
    (
      #""bbox": [5, 5, -3, 10]"#, .inverted,
      "1 box whose right or lower edge comes before the other: a.png, annotation 2"
    ),
    (#""bbox": [64, 5, 3, 10]"#, .outside, "1 box outside of the image: a.png, annotation 2"),
    (
      #""bbox": [5, 5, 1e300, 10]"#, .notFinite, "1 box with a number that is not finite: a.png, annotation 2"
    ),
    (#""bbox": null"#, .withoutBox, "1 object without a box of four numbers: a.png, annotation 2"),
    (
      #""category_id": 7"#, .unknownCategory,
      "1 object of a category that the file does not list: a.png, annotation 2 (category 7)"
    ),
    (
      #""image_id": 12"#, .unknownImage,
      "1 object of an image that the file does not list: annotation 2 (image 12)"
    ),
  ])
  func badAnnotationsAreCountedAndDoNotTrain(fields: String, fault: AnnotationFault, text: String) throws {
    let box = fields.contains("bbox") ? "" : #", "bbox": [5, 5, 10, 10]"#
    let others = #"{"id": 2, "image_id": 1, "category_id": 3, "#
    let line = others + fields + box + "}"
    let set = try open([line])
    #expect(set.leftOut[fault] == 1 && set.leftOut.lines() == [text])
    #expect(set.leftOut.isLoss && set.objectCount == 1)
  }

  @Test func idsDoNotMatterButAreNoted() throws {
    let nothing = #"{"image_id": 1, "category_id": 3, "bbox": [5, 5, 10, 10]}"#
    let set = try open([annotation(#""iscrowd": 0"#, id: 1), annotation(#""iscrowd": 0"#, id: 0), nothing])
    #expect(set.objectCount == 4 && !set.leftOut.isLoss)
    #expect(
      set.leftOut.lines() == [
        "1 annotation without an id: annotation 4", "1 annotation id that came before: annotation 2, id 1",
        "1 annotation id of 0: annotation 3",
      ])
  }

  // MARK: - Masks

  private static let masks = DetectionOptions(masks: true)
  private let square = #""segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]"#

  private func openMasks(_ fields: String) throws -> DetectionDataset {
    var options = Self.masks
    options.maxLeftOut = Fraction(value: 1)
    let good = annotation(square, id: 1)
    return try DetectionDataset.open(
      try makeCOCO(coco([good, annotation(fields)]), in: folder), options)
  }

  @Test(arguments: [
    (#""segmentation": []"#, AnnotationFault.withoutMask, "1 object without a mask: a.png, annotation 2"),
    (
      #""segmentation": [[5, 5, 9, 9]]"#, .twoPoints,
      "1 object whose polygons have fewer than three points: a.png, annotation 2"
    ),
    (
      #""segmentation": [[5, 5, 9, 9, 3, 3, 1]]"#, .twoPoints,
      "1 object whose polygons have fewer than three points: a.png, annotation 2"
    ),
    (
      #""segmentation": {"size": [48, 64], "counts": [3, 5]}"#, .runLengths,
      "1 mask whose run lengths do not add up: a.png, annotation 2"
    ),
    (
      #""segmentation": {"size": [48, 64], "counts": "!!"}"#, .runLengths,
      "1 mask whose run lengths do not add up: a.png, annotation 2"
    ),
    (
      #""segmentation": {"size": [64, 48], "counts": [1000, 72, 2000]}"#, .maskSize,
      "1 mask of another size than the image: a.png, annotation 2"
    ),
    (
      #""segmentation": {"size": [48, 64], "counts": [3072]}"#, .emptyMask,
      "1 mask without a pixel: a.png, annotation 2"
    ),
  ])
  func badMasksAreCountedAndDoNotTrain(fields: String, fault: AnnotationFault, text: String) throws {
    let set = try openMasks(fields)
    #expect(set.leftOut[fault] == 1 && set.leftOut.lines() == [text])
    #expect(set.objectCount == 1)
    // The box alone is good.
    #expect(try open([annotation(fields)]).objectCount == 2)
  }

  @Test func masksComeOutAsTheyWentIn() throws {
    let runs = try openMasks(#""segmentation": {"size": [48, 64], "counts": [1000, 72, 2000]}"#)
    let mask = try RunLengthMask(counts: [1000, 72, 2000], height: 48, width: 64)
    #expect(runs.objects(0).map(\.mask) == [.polygons([[5, 5, 15, 5, 15, 15, 5, 15]]), .runLengths(mask)])
    let polygons = try openMasks(#""segmentation": [[5.01, 5.1234567, 9, -9.5, 3, 3], [1, 1, 2, 2]]"#)
    #expect(polygons.objects(0)[1].mask == .polygons([[5.01, 5.1234567, 9, -9.5, 3, 3]]))
    #expect(
      polygons.leftOut.lines() == [
        "1 polygon of fewer than three points beside good ones: a.png, annotation 2"
      ])
  }

  /// A box written as a polygon of four numbers can only be this box.
  @Test func aPolygonOfTheBoxesNumbersIsItsRectangle() throws {
    for four in ["5, 5, 10, 10", "5, 5, 15, 15"] {
      let set = try openMasks(#""segmentation": [[\#(four)]]"#)
      #expect(set.objects(0)[1].mask == .polygons([[5, 5, 15, 5, 15, 15, 5, 15]]))
      #expect(
        set.leftOut.lines() == ["1 polygon of four numbers read as the object's box: a.png, annotation 2"])
    }
  }

  @Test func aMissingBoxComesFromTheMask() throws {
    let polygon = #"{"id": 2, "image_id": 1, "category_id": 3, "segmentation": [[5, 6, 15, 5, 15, 20]]}"#
    let runs =
      #"{"id": 3, "image_id": 1, "category_id": 3, "segmentation": {"size": [48, 64], "counts": [96, 48, 2928]}}"#
    let set = try open([polygon, runs])
    #expect(set.objects(0)[1].box == BoundingBox(x0: 5, y0: 5, x1: 15, y1: 20))
    #expect(set.objects(0)[2].box == BoundingBox(x0: 2, y0: 0, x1: 3, y1: 48))
    #expect(set.leftOut[.boxOfMask] == 2 && !set.leftOut.isLoss)
  }

  // MARK: - Boxes as corners

  private func boxes(_ boxes: [String]) -> String {
    coco(boxes.enumerated().map { #"{"id": \#($0 + 1), "image_id": 1, "category_id": 3, "bbox": [\#($1)]}"# })
  }

  @Test func boxesThatCanOnlyBeCornersAreReadSo() throws {
    let spec = try makeCOCO(boxes(["40, 10, 60, 30", "30, 30, 64, 48"]), in: folder)
    let set = try DetectionDataset.open(spec)
    #expect(
      set.objects(0).map(\.box) == [
        BoundingBox(x0: 40, y0: 10, x1: 60, y1: 30), BoundingBox(x0: 30, y0: 30, x1: 64, y1: 48),
      ])
    #expect(
      set.leftOut.lines() == [
        "2 boxes read as corners, because no box fits as width and height: a.png, annotation 1; a.png, annotation 2"
      ])
  }

  @Test func boxesThatAreMostlyCornersAreAnError() throws {
    #expect(
      try failure(boxes(["40, 10, 60, 30", "30, 30, 64, 48", "2, 3, 10, 12"]))
        == "2 of 3 boxes of \(json) fit their images as left, top, right, lower edge only, and the others could be either; "
        + "write x, y, width, height")
  }

  @Test func aBoxOverTheEdgeAmongGoodOnesStaysAWidth() throws {
    let spec = try makeCOCO(boxes(["40, 10, 5, 5", "40, 10, 60, 30"]), in: folder)
    let set = try DetectionDataset.open(spec)
    #expect(set.objects(0)[1].box == BoundingBox(x0: 40, y0: 10, x1: 100, y1: 40))
    #expect(set.leftOut.lines() == ["1 box cut at the image's edge: a.png, annotation 2"])
  }

  // MARK: - Keypoints

  private let person = #"{"id": 3, "name": "cell", "keypoints": ["nose", "left_eye", "right_eye"]}"#

  @Test func keypointsCountFromPixelCentres() throws {
    let points = annotation(#""keypoints": [1, 2, 2, 3, 4.5, 1, 0, 0, 0]"#, id: 1)
    let none = annotation(#""iscrowd": 0"#)
    let spec = try makeCOCO(coco([points, none], categories: person), in: folder)
    let set = try DetectionDataset.open(spec, DetectionOptions(keypoints: true))
    #expect(set.keypoints.names.count == 3 && set.keypoints.mirrored == [0, 2, 1])
    let unlabeled = Keypoint(x: 0, y: 0, visibility: .unlabeled)
    #expect(
      set.objects(0).map(\.keypoints) == [
        [
          Keypoint(x: 1.5, y: 2.5, visibility: .visible), Keypoint(x: 3.5, y: 5, visibility: .hidden),
          unlabeled,
        ],
        [unlabeled, unlabeled, unlabeled],
      ])
    #expect(try DetectionDataset.open(spec).objects(0)[0].keypoints.isEmpty)
  }

  @Test(arguments: ["1, 2, 2", "1, 2, 7, 3, 4, 1, 0, 0, 0", "1, 1e99, 2, 3, 4, 1, 0, 0, 0"])
  func wrongKeypointsAreCountedAndDoNotTrain(numbers: String) throws {
    let good = annotation(#""keypoints": [1, 2, 2, 3, 4.5, 1, 0, 0, 0]"#, id: 1)
    let bad = annotation(#""keypoints": [\#(numbers)]"#)
    let spec = try makeCOCO(coco([good, bad], categories: person), in: folder)
    let set = try DetectionDataset.open(spec, DetectionOptions(keypoints: true))
    #expect(
      set.leftOut.lines() == [
        "1 object with another number of keypoints than the category, or one that is no place: a.png, annotation 2"
      ])
  }

  @Test func imagesWithoutAVisibleKeypointAreSkipped() throws {
    let good = annotation(#""keypoints": [1, 2, 2, 3, 4.5, 1, 0, 0, 0]"#, id: 1)
    let other = annotation(#""iscrowd": 0"#).replacing(#""image_id": 1"#, with: #""image_id": 2"#)
    let third = annotation(#""iscrowd": 0"#, id: 3).replacing(#""image_id": 1"#, with: #""image_id": 3"#)
    let spec = try makeCOCO(coco([good, other, third], images: 3, categories: person), images: 3, in: folder)
    let set = try DetectionDataset.open(spec, DetectionOptions(keypoints: true))
    #expect(set.count == 1 && !set.leftOut.isLoss)
    #expect(set.leftOut.lines() == ["2 images without a visible keypoint: b.png; c.png"])
  }

  // MARK: - Files that cannot be used

  @Test func filesThatContradictThemselvesAreErrors() throws {
    let twice = #"{"id": 3, "name": "cell"}, {"id": 3, "name": "dog"}"#
    #expect(
      try failure(coco([goodAnnotation], categories: twice))
        == "\(json) has two categories of the id 3, `cell` and `dog`; give each an id of its own")
    let sameID = coco([goodAnnotation], images: 2).replacing(
      #""id": 2, "file_name""#, with: #""id": 1, "file_name""#)
    #expect(
      try failure(sameID, images: 2)
        == "\(json) gives the id 1 to a.png and to b.png; give each image an id of its own")
    #expect(
      try failure(#"{"images": [], "annotations": [], "categories": []}"#)
        == "\(json) lists no image; is it a COCO file?")
    #expect(
      try failure(coco([goodAnnotation]), DetectionOptions(keypoints: true))
        == "\(folder.path)/train.json@\(folder.path)/images has no keypoints: no category lists their names; "
        + "give a COCO file of keypoints")
    #expect(
      try failure(coco([goodAnnotation]), DetectionOptions(use: .testing, classNames: ["cell", "dog"]))
        == "\(folder.path)/train.json@\(folder.path)/images lacks the training set's class dog; its own are cell"
    )
    #expect(
      try failure(coco([goodAnnotation]), DetectionOptions(use: .testing, classNames: ["dog"]))
        == "\(folder.path)/train.json@\(folder.path)/images has none of the training set's classes dog; its own are cell"
    )
  }

  @Test func jsonThatNestsWithoutEndIsAnError() throws {
    let text = #"{"images": "# + String(repeating: "[", count: 40)
    #expect(try failure(text).hasPrefix(json))
  }

  @Test func imagesThatAreNotThereAreNamed() throws {
    let spec = try makeCOCO(coco([goodAnnotation], images: 3), images: 1, in: folder)
    let images = folder.path + "/images"
    #expect(
      throws: DatasetError.badFile(
        reason:
          "2 of 3 images of \(spec) cannot be used, more than 50%: 2 images whose file is not there: \(images)/b.png; "
          + "\(images)/c.png; correct the annotations, or allow more with --max-left-out")
    ) {
      try DetectionDataset.open(spec)
    }
  }

  @Test func imagesAreFoundBesideTheFile() throws {
    _ = try makeCOCO(coco([goodAnnotation]), in: folder)
    #expect(try DetectionDataset.open(json).images[0].path == folder.path + "/images/a.png")
  }

  // MARK: - LVIS

  @Test func lvisHasAddressesAndFederatedRules() throws {
    try folder.picture("images/train2017/000000000009.png")
    try folder.picture("images/000000000010.png")
    let text = #"""
      {"images": [{"id": 9, "coco_url": "http://x.org/train2017/000000000009.png", "width": 64, "height": 48,
       "neg_category_ids": [5, 6], "not_exhaustive_category_ids": [3]},
       {"id": 10, "file_name": "COCO_val2014_000000000010.png", "width": 64, "height": 48, "neg_category_ids": [],
       "not_exhaustive_category_ids": []}],
       "categories": [{"id": 3, "name": "cell", "frequency": "r"}],
       "annotations": [{"id": 1, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12},
       {"id": 2, "image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12}]}
      """#
    try folder.text("lvis.json", text)
    let set = try DetectionDataset.open("\(folder.path)/lvis.json@\(folder.path)/images")
    #expect(set.kind == .lvis)
    #expect(
      set.images.map(\.path)
        == ["train2017/000000000009.png", "000000000010.png"].map { folder.path + "/images/" + $0 })
    #expect(set.images[0].federated == .init(negative: [5, 6], notExhaustive: [3]))
  }
}
