import Data
import Evaluation
import Files
import Images
import Torch

/// Rows of pictures: an image, and where the encoder looks in it.
struct AttentionRows {
  let images: ReportImages
  /// Pixels of a picture of a single head, at most.
  private static let headSide = 64

  func html() throws -> HTML {
    let rows = images.shown
    let maps = try images.data.attention(
      of: images.encoder.network, to: rows.map { images.samples[$0] }, on: images.device)
    let scale = try HeatScale(of: maps.maps)
    let pictures = try maps.pictures.map { try $0.reduced(to: ReportImages.side) }
    let overlays = try scale.overlays(maps.maps, on: pictures)
    let figures = try rows.indices.map { index -> HTML in
      let name = images.name(rows[index])
      let peak = try AttentionRows.peak(of: withTorchErrors { maps.maps.selected(index) })
      let found = "highest \(peak.place), \(HeatScale.text(peak.value))\(maps.kind.unit)"
      let caption: HTML = "<b>\(images.caption(rows[index]))</b> \(found)"
      var panels = try [
        HTML.picture(pictures[index], name, kind: "panel"),
        HTML.picture(overlays[index], "\(maps.kind.title) in \(name): \(found)", kind: "panel"),
      ]
      if let heads = maps.heads {
        let sheet = try AttentionRows.sheet(
          withTorchErrors { heads.selected(index) }, of: maps.pictures[index], scale)
        panels.append(try .picture(sheet, "The same of each head in \(name), in rows", kind: "sheet"))
      }
      return """
        <figure class="look"><figcaption>\(caption)</figcaption><div class="panels">\(panels)</div></figure>
        """
    }
    let kind = maps.heads == nil ? "pairs" : "trios"
    return """
      <p>\(lead(maps))</p>
      \(AttentionRows.legend(scale, maps.kind))
      <div class="looks \(kind)">
      \(figures)
      </div>
      """
  }

  /// What the pictures show, and how to read them.
  private func lead(_ maps: AttentionMaps) -> String {
    let of = "The first \(maps.pictures.count) of the images above"
    let shape = maps.maps.shape
    switch maps.kind {
    case .classToken:
      let heads = maps.heads?.shape[1] ?? 0
      let mean = heads > 1 ? ", in the mean over \(heads) heads; beside it, smaller, each head" : ""
      let pooled =
        maps.poolsPatches
        ? " The features of this network are the mean of the patches: the class token is not among them." : ""
      return
        "\(of)\(images.afterStep): the class token's attention to the \(shape[1])×\(shape[2]) patches in the last "
        + "block\(mean). An even share of all tokens would be 1.\(pooled)"
    case .featureNorm:
      return
        "\(of)\(images.afterStep): the norm of the last feature map in each of its \(shape[1])×\(shape[2]) cells. The "
        + "pooled features are the mean over the cells, so that those with the largest norm count most. This network has "
        + "no class token, and so no attention to show."
    }
  }

  /// The scale's colours, and what its ends are.
  static func legend(_ scale: HeatScale, _ kind: AttentionMaps.Kind) -> HTML {
    let colors = HeatScale.colors.map { "rgb(\($0.map { String(Int($0)) }.joined(separator: ",")))" }
    let (low, high) = (HeatScale.text(scale.range.lowerBound), HeatScale.text(scale.range.upperBound))
    return """
      <p class="legend">\(low) <span class="heat" style="background:linear-gradient(90deg,\(colors.joined(separator: ",")))"></span> \
      \(high)\(kind.unit). One scale for all pictures, over the image in gray, enlarged bilinearly\
      \(kind == .classToken ? "; where a single head has more, it has the last colour" : "").</p>
      """
  }

  /// The highest value of an h×w map, the first of equal ones, and its place in words.
  static func peak(of map: Tensor) -> (value: Double, place: String) {
    let (height, width) = (map.shape[0], map.shape[1])
    let values = map.array(of: Double.self)
    let best = values.indices.max { values[$0] < values[$1] || (values[$0] == values[$1] && $0 > $1) } ?? 0
    return (values[best], place(row: best / width, of: height, column: best % width, of: width))
  }

  /// The third of the picture that the middle of a cell lies in, down and across.
  static func place(row: Int, of rows: Int, column: Int, of columns: Int) -> String {
    let down = (2 * row + 1) * 3 / (2 * rows), across = (2 * column + 1) * 3 / (2 * columns)
    return [
      ["at the upper left", "at the top", "at the upper right"],
      ["at the left", "in the middle", "at the right"],
      ["at the lower left", "at the bottom", "at the lower right"],
    ][down][across]
  }

  /// The maps of one image's heads, heads×h×w, in rows.
  private static func sheet(_ heads: Tensor, of picture: RGBImage, _ scale: HeatScale) throws -> RGBImage {
    let small = try picture.reduced(to: headSide)
    let count = heads.shape[0]
    let cells = try scale.overlays(heads, on: Array(repeating: small, count: count)).map {
      ContactSheet.Cell($0)
    }
    let columns = Int(Double(count).squareRoot().rounded(.up))
    var sheet = ContactSheet(pictureSize: small.width)
    sheet.rows = stride(from: 0, to: count, by: columns).map {
      Array(cells[$0..<min($0 + columns, count)])
    }
    return sheet.image
  }
}
