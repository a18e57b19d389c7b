import Evaluation
import Files
import Methods
import Torch
import Training
import Weights

/// Rows of pictures: an image with hidden patches, what a method predicts there, and the image.
struct ReconstructionRows {
  let images: ReportImages
  private let method: any ReconstructsPixels

  /// Reads the newest checkpoint's decoder too, which is no part of the encoder.
  init(images: ReportImages, of record: RunHistory) throws {
    let checkpoint = try Checkpoint.load(record.folder, optimizer: false)
    let made = try withTorchErrors {
      record.config.makeMethod(images: 1, on: images.device, ranks: .alone)
    }
    guard let method = made as? any ReconstructsPixels else {
      preconditionFailure("\(record.config.kind.name) hides patches, and predicts no pixels")
    }
    try method.load(checkpoint.model)
    method.train(false)
    (self.images, self.method) = (images, method)
  }

  func html() throws -> HTML {
    let rows = images.shown
    let pictures = try images.data.pictures(of: rows.map { images.samples[$0] })
    let inputs = try images.data.inputs(of: pictures, on: images.device)
    // The masks of step 0: the same in every report of the run.
    let found = try withTorchErrors { method.reconstruction(of: inputs) }
    let masked = try images.data.pictures(ofInputs: found.masked)
    let reconstructed = try images.data.pictures(ofInputs: found.reconstructed)
    let figures = try rows.indices.map { index -> HTML in
      let name = images.name(rows[index])
      let panels = try [
        (masked, "\(name), its hidden patches gray"),
        (reconstructed, "\(name), its hidden patches predicted"),
        (pictures, name),
      ].map { pictures, description in
        try HTML.picture(pictures[index].reduced(to: ReportImages.side), description, kind: "panel")
      }
      return """
        <figure class="look"><figcaption><b>\(images.caption(rows[index]))</b></figcaption><div class="panels">\(panels)</div></figure>
        """
    }
    return "<p>\(lead)</p>\n<div class=\"looks trios\">\n\(figures)\n</div>"
  }

  private var lead: String {
    let share = fixed(100 * method.masking.maskRatio, 0)
    let normalised =
      method.masking.normalizesPixels
      ? " The decoder predicts each patch normalised by itself; mean and deviation are taken from the hidden patch."
      : ""
    return
      "The first \(images.shown.count) of the images above\(images.afterStep). Left: \(share) % of the patches hidden, the "
      + "same ones in every report. Middle: the hidden patches as the decoder predicts them, between the visible ones. "
      + "Right: the image.\(normalised)"
  }
}
