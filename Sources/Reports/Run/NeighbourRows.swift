import Evaluation
import Files
import Torch

/// Rows of pictures: an image, and those whose features are nearest to its own.
struct NeighbourRows {
  let images: ReportImages
  /// Neighbours of each.
  var columns = 8

  func html() throws -> HTML {
    let found = try neighbours()
    let strips = try zip(queries, found).map { query, neighbours in try strip(query, neighbours) }
    let how =
      "Among \(images.origin), by cosine of the encoder's pooled features"
      + images.afterStep + ", nearest first."
    let legend: HTML =
      images.isLabelled
      ? " A <span class=\"key same\">solid</span> frame: the same class; <span class=\"key other\">dashed</span>: another. Training saw no class."
      : ""
    return "<p>\(how)\(legend)</p>\n<div class=\"strips\">\n\(strips)\n</div>"
  }

  private var queries: [Int] { images.examples }

  private func neighbours() throws -> [[(row: Int, cosine: Double)]] {
    let features = try withTorchErrors { images.features.indexSelected(Tensor(queries)) }
    let found = try WeightedKNN(k: columns + 1, on: .cpu).neighbours(of: features, in: images.features)
    return zip(queries, zip(found.indices, found.similarities)).map { query, pair in
      let all = zip(pair.0, pair.1).map { (row: $0, cosine: Double($1)) }
      return Array(all.filter { $0.row != query }.prefix(columns))
    }
  }

  private func strip(_ query: Int, _ neighbours: [(row: Int, cosine: Double)]) throws -> HTML {
    let pictures = try neighbours.map { found in
      var description = "\(images.name(found.row)), cosine \(fixed(found.cosine, 3))"
      var kind = "plain"
      if images.isLabelled {
        let isSame = images.labels[found.row] == images.labels[query]
        description += isSame ? ", the same class" : ", class \(images.className(found.row))"
        kind = isSame ? "same" : "other"
      }
      return try picture(found.row, description, kind: kind)
    }
    let same = neighbours.filter { images.labels[$0.row] == images.labels[query] }.count
    let count: HTML = images.isLabelled ? " \(same) of \(neighbours.count)" : ""
    let caption: HTML = "<b>\(images.caption(query))</b>\(count)"
    return """
      <figure class="strip"><figcaption>\(caption)</figcaption><div class="row">\(try picture(query, images.name(query), kind: "query"))
      \(pictures)</div></figure>
      """
  }

  /// An image as the network sees it, but not larger than it is shown.
  private func picture(_ row: Int, _ description: String, kind: String) throws -> HTML {
    let image = try images.data.dataset.image(images.samples[row])
    return try .picture(
      image.evaluationView(size: min(images.data.size, 96)), description, kind: "tile " + kind)
  }
}
