import Data
import Foundation
import TestSupport
import Testing

@Suite struct COCOFiles {
  private func truth(_ text: String, _ limits: COCOLimits = COCOLimits()) throws -> COCOFile {
    try withTemporaryFile(Data(text.utf8)) { try COCOFile($0, limits: limits) }
  }

  /// The error's text, with the file called FILE.
  private func fault(_ bytes: Data, results: Bool = false, _ limits: COCOLimits = COCOLimits()) -> String {
    var path = ""
    do {
      try withTemporaryFile(bytes) {
        path = $0
        _ = try results ? COCOResults($0, limits: limits).rows : COCOFile($0, limits: limits).annotations
      }
      return "none"
    } catch { return "\(error)".replacing(path, with: "FILE") }
  }

  private func fault(_ text: String, results: Bool = false, _ limits: COCOLimits = COCOLimits()) -> String {
    fault(Data(text.utf8), results: results, limits)
  }

  @Test func fieldsAreReadInAnyOrder() throws {
    let file = try truth(
      """
      {"info": {"a": [1, {"b": null}]}, "annotations": [
        {"bbox": [1, 2.5, 3e1, 4], "image_id": 7, "id": 0, "category_id": 3, "iscrowd": 1, "area": 12.25,
         "segmentation": {"counts": [2, 3, 1], "size": [2, 3]}, "keypoints": [1, 2, 2], "num_keypoints": 1},
        {"image_id": 7, "category_id": 3, "segmentation": [[1, 2, 3.005, 4, 5, 6], [1e-9, 2, 3, 4, 5, -6.25]]},
        {"image_id": 7, "category_id": 3, "segmentation": [1, 2, 3, 4, 5, 6], "id": 9007199254740993, "ignore": true}
      ], "categories": [{"id": 3, "name": "ü", "keypoints": ["nose"], "frequency": "r"}, {"id": 4}],
      "images": [{"width": 3, "height": 2, "id": 7, "file_name": "a.jpg", "neg_category_ids": [4],
                  "not_exhaustive_category_ids": []}]}
      """)
    let rows = file.annotations
    #expect(rows.count == 3 && rows.imageID(1) == 7 && rows.categoryID(2) == 3)
    #expect(rows.box(0) == SIMD4(1, 2.5, 30, 4) && !rows.hasBox(1))
    #expect(rows.id(0) == 0 && rows.id(1) == COCORows.missing && rows.id(2) == 9_007_199_254_740_993)
    #expect(rows.isCrowd(0) && !rows.isCrowd(1) && rows.isIgnored(0) == nil && rows.isIgnored(2) == true)
    #expect(rows.area(0) == 12.25 && rows.area(1).isNaN)
    #expect(rows.segmentation(0) == .runLengths(Array("231".utf8), height: 2, width: 3))
    #expect(
      rows.segmentation(1) == .polygons([[1, 2, 3.005, 4, 5, 6], [1e-9, 2, 3, 4, 5, -6.25]]))
    #expect(rows.segmentation(2) == .polygons([[1, 2, 3, 4, 5, 6]]))
    #expect(rows.keypoints(0) == [1, 2, 2] && rows.keypoints(1).isEmpty && rows.keypointCount(0) == 1)
    #expect(file.categories[0].name == "ü" && file.categories[1].name == "4")
    #expect(file.images[0].negativeCategoryIDs == [4] && file.images[0].notExhaustiveCategoryIDs == [])
  }

  @Test func aRepeatedKeyReplacesTheFirst() throws {
    let rows = try truth(
      """
      {"images": [{"id": 1}], "annotations": [
        {"segmentation": [[1, 2]], "keypoints": [1, 2, 3], "segmentation": [[3, 4]], "keypoints": [4, 5, 6]}]}
      """
    ).annotations
    #expect(rows.segmentation(0) == .polygons([[3, 4]]) && rows.keypoints(0) == [4, 5, 6])
  }

  @Test func numbersAreThoseOfFoundation() throws {
    let texts = [
      "0.1", "-12345.678", "1e22", "1.7976931348623157e308", "5e-324", "123456789012345678",
      "0.30000000000000004",
      "640.005", "-0.01", "99999999999999.99", "2.2250738585072011e-308",
    ]
    let file = try truth(
      "{\"images\": [{\"id\": 1}], \"annotations\": [{\"keypoints\": [\(texts.joined(separator: ","))]}]}")
    #expect(file.annotations.keypoints(0) == texts.compactMap(Double.init))
  }

  @Test func textThatIsNoJSONIsNamedByItsByte() {
    #expect(
      fault("{\"images\": [}")
        == "FILE is not JSON: parse error: unallowed token at this point in JSON text, "
        + "at byte 13. Write or download it again")
    #expect(fault("").hasPrefix("FILE is not JSON: parse error: premature EOF, at byte 0."))
    #expect(
      fault("[{\"a\": 1", results: true).hasPrefix("FILE is not JSON: parse error: premature EOF, at byte"))
    #expect(fault("{\"images\": []} x").hasPrefix("FILE is not JSON: parse error: trailing garbage, at byte"))
    #expect(
      fault("{\"images\": [{\"id\": 1e999}]}")
        == "FILE is not JSON: a number beyond the range of numbers, at byte 24. Write or download it again")
    #expect(fault("[{\"score\": NaN}]", results: true).hasPrefix("FILE is not JSON: lexical error"))
    #expect(fault(Data([0x22, 0xFF, 0x22])).contains("invalid bytes in UTF8 string"))
  }

  @Test func nestingAndLengthAreLimited() {
    var limits = COCOLimits()
    limits.depth = 5
    #expect(fault("{\"x\": [[[[1]]]], \"images\": []}", limits) == "none")
    #expect(
      fault("{\"x\": [[[[[1]]]]]}", limits)
        == "FILE is nested more than 5 deep at byte 11, which no COCO file is")
    limits.length = 10
    #expect(fault("{\"images\": [{\"id\": 1, \"file_name\": \"0123456789\"}]}", limits) == "none")
    #expect(
      fault("{\"images\": [{\"id\": 1, \"file_name\": \"0123456789a\"}]}", limits)
        == "FILE has a value of more than 10 bytes near byte 48, which no COCO file has")
    limits = COCOLimits()
    (limits.images, limits.categories, limits.rows) = (1, 1, 1)
    #expect(
      fault("{\"images\": [{\"id\": 1}], \"annotations\": [{}], \"categories\": [{\"id\": 1}]}", limits)
        == "none")
    #expect(
      fault("{\"images\": [{\"id\": 1}, {\"id\": 2}]}", limits)
        == "FILE, images: more than 1, which is the limit of this program")
    #expect(
      fault("{\"annotations\": [{}, {}]}", limits)
        == "FILE, annotations: more than 1, which is the limit of this program")
  }

  @Test func wrongTypesAreNamedByTheirPlace() {
    func inAnnotation(_ text: String) -> String { "{\"images\": [], \"annotations\": [{}, {\(text)}]}" }
    let cases = [
      ("[]", "the file: a list instead of an object with images and annotations"),
      ("{\"images\": 3}", "images: a number instead of a list of objects"),
      ("{\"images\": [[]]}", "images[0]: a list instead of an object"),
      ("{\"images\": [{\"id\": \"a\"}]}", "images[0].id: a text instead of a whole number"),
      ("{\"images\": [{\"id\": 1.5}]}", "images[0].id: 1.5 instead of a whole number"),
      ("{\"categories\": [{\"id\": 1, \"name\": 2}]}", "categories[0].name: 2 instead of a text"),
      (
        inAnnotation("\"bbox\": [1, 2, 3]"),
        "annotations[1].bbox: a list of 3 instead of a list of four numbers"
      ),
      (inAnnotation("\"bbox\": [1, 2, 3, 4, 5]"), "annotations[1].bbox: 5 instead of a list of four numbers"),
      (inAnnotation("\"bbox\": {}"), "annotations[1].bbox: an object instead of a list of four numbers"),
      (inAnnotation("\"iscrowd\": 2"), "annotations[1].iscrowd: 2 instead of 0 or 1"),
      (inAnnotation("\"area\": true"), "annotations[1].area: true or false instead of a number"),
      (
        inAnnotation("\"segmentation\": \"x\""),
        "annotations[1].segmentation: a text instead of outlines or run lengths"
      ),
      (
        inAnnotation("\"segmentation\": [[[1]]]"),
        "annotations[1].segmentation: a list instead of outlines or run lengths"
      ),
      (
        inAnnotation("\"segmentation\": [[1, 2], 3]"),
        "annotations[1].segmentation: 3 instead of outlines or run lengths"
      ),
      (
        inAnnotation("\"segmentation\": {\"size\": [1, -1], \"counts\": \"0\"}"),
        "annotations[1].segmentation.size: -1 instead of height and width"
      ),
    ]
    for (text, expected) in cases { #expect(fault(text) == "FILE, \(expected)") }
    #expect(fault("{}", results: true) == "FILE, the file: an object instead of a list of results")
  }

  @Test func missingKeysAreNamed() {
    #expect(fault("{}") == "FILE, the file: `images` is missing")
    #expect(fault("{\"images\": [{}]}") == "FILE, images[0]: `id` is missing")
    #expect(
      fault("{\"images\": [], \"annotations\": [{\"segmentation\": {\"counts\": \"0\"}}]}")
        == "FILE, annotations[0].segmentation: `size` is missing")
    #expect(
      fault("[{\"image_id\": 1, \"category_id\": 1}]", results: true) == "FILE, result 0: `score` is missing")
    #expect(
      fault("[{\"category_id\": 1, \"score\": 1}]", results: true) == "FILE, result 0: `image_id` is missing")
  }
}
