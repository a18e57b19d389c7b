import ArgumentParser
import Training

struct Detect: TakesKeys {
  typealias Config = DetectConfig

  static let configuration = CommandConfiguration(
    abstract: "Train a detector from a pre-trained encoder, and measure it.",
    usage: TransferOptions<DetectionTask>.usage,
    discussion: """
      CHECKPOINT is a run, a checkpoint or a file of weights; its backbone becomes the detector's. DATA is a VOC devkit with \
      years and lists, 'VOC2007:trainval+VOC2012:trainval', a COCO or LVIS file with the folder of its images, \
      'train.json@images/', or Cityscapes with a split, 'cityscapes/:train'.

      A recipe sets every option; the command line overrides it. The run folder holds config.yaml, log.jsonl, TensorBoard's \
      event files, checkpoints, the detections of the latest test in COCO's results format (results.json) and the origin of \
      each tensor (weights.txt). The same command again continues a run that was stopped or killed, bit for bit. --eval-only \
      writes its detections into eval/ in the run folder, or into another --out.

        moco detect runs/v2 --train VOC2007:trainval+VOC2012:trainval --test VOC2007:test --recipe voc-c4 --out runs/voc
        moco detect --init random --train a.json@images --test b.json@images --recipe small-fpn --out runs/scratch
        moco detect --eval-only --test VOC2007:test --out runs/voc
      """)

  @OptionGroup var options: TransferOptions<DetectionTask>

  func run() throws {
    try options.run(keys, results: (RunFolder.resultsName, "detections"))
  }
}

extension Detect {
  /// The program notes it, and nobody gives it.
  static let otherwiseUsed: Set<String> = ["carried-from"]
  static let noteOfHelp: String? = Config.noteOfHelp
}
