import ArgumentParser
import Files
import Reports
import Training

struct Segment: TakesKeys {
  typealias Config = SegmentConfig

  static let configuration = CommandConfiguration(
    abstract: "Train a network that gives every pixel a class, from a pre-trained encoder, and measure it.",
    usage: TransferOptions<SegmentationTask>.usage,
    discussion: """
      CHECKPOINT is a run, a checkpoint or a file of weights; its backbone becomes the network's. DATA is a VOC devkit with \
      years and lists, 'VOC2012:train', Cityscapes with a split, 'cityscapes/:train', a folder of images and one of masks, \
      'images/@masks/', or a COCO file with the folder of its images, 'train.json@images/'.

      A recipe sets every option; the command line overrides it. The run folder holds config.yaml, log.jsonl, TensorBoard's \
      event files, checkpoints, the label maps of the latest test (predictions/), its pixels by true and predicted class \
      (confusion.csv, confusion.svg) and the origin of each tensor (weights.txt). The same command again continues a run that \
      was stopped or killed, bit for bit. --eval-only writes the same results into eval/ in the run folder, or into another \
      --out.

        moco segment runs/v2 --train VOC2012:train_aug --test VOC2012:val --recipe voc-fcn --out runs/voc-fcn
        moco segment --init random --train images/@masks/ --test test/@test-masks/ --recipe small-fcn --out runs/scratch
        moco segment --eval-only --test VOC2012:val --out runs/voc-fcn
      """)

  @OptionGroup var options: TransferOptions<SegmentationTask>

  func run() throws {
    try options.run(keys, results: (RunFolder.predictionsName, "label maps")) { out in
      try ConfusionPicture.write(of: out)
    }
  }
}

extension Segment {
  /// The program notes it, and nobody gives it.
  static let otherwiseUsed: Set<String> = ["carried-from"]
  static let noteOfHelp: String? = Config.noteOfHelp
}
