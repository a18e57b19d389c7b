import Testing
import TestSupport
import Torch
@testable import Models

/// Parts of detectors against detectron2 0.6 in float64.
@Suite struct TransferAnchors {
  @Test func anchorsOfEveryLevelAreThePublished() {
    for each in Transfer.cases("anchors") {
      let strides = each.strides.ints
      func lists(_ json: JSON) -> [[Double]] {
        let lists = json.list.map(\.doubles)
        return lists.count == 1 ? strides.map { _ in lists[0] } : lists
      }
      let generator = AnchorGenerator(
        sizes: lists(each.sizes), aspectRatios: lists(each.aspect_ratios), strides: strides,
        offset: each.offset.double ?? 0)
      let levels = generator(each.feature_sizes.list.map(\.pixels), dtype: .float64)
      for level in strides.indices {
        expectClose(generator.cellAnchors[level], each.cell_anchors[level].doubles, 1e-14, "cell \(level)")
        expectClose(levels[level], each.anchors[level], 1e-14, "level \(level)")
      }
    }
  }

  @Test func matchesAndLabelsKeepExactTies() {
    for file in Transfer.parts("matcher") {
      let rows = file.quality.list.map(\.doubles)
      for each in file.cases.list {
        let name = "\(each.name.string ?? ""), \(each.matrix.string ?? "")"
        Transfer.announce("matcher: \(name)")
        let used = each.matrix.string == "all" ? rows : rows.indices.filter { $0 != 2 }.map { rows[$0] }
        let quality = Tensor(used.flatMap(\.self), shape: [used.count, rows[0].count])
        let matcher = Matcher(
          thresholds: each.thresholds.doubles, labels: each.labels.ints,
          allowsLowQuality: each.allow_low_quality_matches.bool ?? false)
        let (matches, labels) = matcher(quality)
        #expect(matches.array(of: Int.self) == each.matches.ints, "\(name)")
        #expect(labels.array(of: Int.self) == each.match_labels.ints, "\(name)")
      }
      let none = file.no_ground_truth
      let matcher = Matcher(thresholds: [0.3, 0.7], labels: [0, -1, 1], allowsLowQuality: true)
      let (matches, labels) = matcher(.zeros([0, none.anchors.int ?? 0]))
      #expect(matches.array(of: Int.self) == none.matches.ints)
      #expect(labels.array(of: Int.self) == none.match_labels.ints)
    }
  }

  @Test func boxesAreEncodedAndDecodedWithWeightsAndClamp() {
    for file in Transfer.parts("box-transform") {
      #expect(abs(Box2BoxTransform.scaleClamp - (file.scale_clamp.double ?? 0)) < 1e-15)
      let source = file.source.rows(4)
      for each in Transfer.cases("box-transform") {
        let transform = Box2BoxTransform(weights: each.weights.doubles)
        expectClose(transform.encode(file.target.rows(4), of: source), each.encoded, 1e-12, "encoded")
        let deltas = file.deltas.rows(file.deltas[0].list.count)
        expectClose(transform.decode(deltas, of: source), each.decoded, 1e-12, "decoded")
      }
    }
  }

  @Test func boxesGoToTheLevelOfTheirSize() {
    for file in Transfer.parts("fpn-levels") {
      Transfer.announce("fpn-levels")
      let regions = ROIPooler.regions([file.boxes.rows(4)])
      for each in file.assignments.list {
        let (least, most) = (each.min_level.int ?? 0, each.max_level.int ?? 0)
        let strides = (least...most).map { 1 << $0 }
        for dtype in [DType.float64, .float32] {
          let levels = ROIPooler.levels(of: regions.to(dtype), strides: strides)
          #expect(levels.map { $0 + least } == each.levels.ints, "\(least) to \(most), \(dtype)")
        }
      }
      expectPooled(file.pooler)
    }
  }

  private func expectPooled(_ pooler: JSON) {
    for each in pooler.cases.list {
      let maps = pooler.features.list.map { u($0.salt.int ?? 0, $0.shape.ints) }
      for map in maps { map.requiresGrad = true }
      let pool = ROIPooler(
        outputSize: Size2D(each.output.int ?? 0), strides: pooler.strides.ints,
        samplingRatio: pooler.sampling_ratio.int ?? 0)
      let output = pool(maps, boxes: pooler.boxes.list.map { $0.rows(4) })
      for (row, digest) in each.forward.list.enumerated() {
        expectDigest(output.selected(row), digest, 1e-11, "box \(row)")
      }
      (output * u(pooler.cotangent.salt.int ?? 0, output.shape)).sum().backward()
      for (map, digest) in zip(maps, each.backward.list) {
        expectDigest(map.gradient ?? map, digest, 1e-11, "gradient of a level")
      }
    }
  }
}
