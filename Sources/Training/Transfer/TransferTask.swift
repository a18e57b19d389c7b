import Data
import Distributed
import Evaluation
import Models
import Torch
import Weights

/// A task that an encoder is transferred to: detection, or semantic segmentation. ``TransferTraining`` trains and tests by
/// these parts alone.
package protocol TransferTask {
  associatedtype Config: TransferConfig
  associatedtype Dataset: TransferDataset
  associatedtype Loader: TransferLoader
  associatedtype Model: Module
  associatedtype Classes: StatedClasses where Classes.Dataset == Dataset
  associatedtype Test: TransferTest

  static func trainingSet(_ path: String, _ config: Config) throws -> Dataset
  /// A test set of the classes of training.
  /// - Parameter train: The training set; nil in a test alone.
  static func testSet(_ path: String, _ config: Config, classes: [String], like train: Dataset?) throws
    -> Dataset

  /// This rank's batches without an end.
  /// - Parameters:
  ///   - seed: Of the order and of all draws; training's is the configuration's.
  ///   - first: The first batch's number.
  static func loader(
    _ dataset: Dataset, _ config: Config, seed: UInt64, rank: Rank, from first: Int
  ) -> Loader

  static func spec(_ config: Config, _ dataset: Dataset) -> Config.Spec
  /// The structure of a trained model with the configuration's settings of the test.
  static func testSpec(_ spec: Config.Spec, _ config: Config) -> Config.Spec
  static func model(_ spec: Config.Spec, using generator: Generator) -> Model

  /// The losses of this rank's images, with a graph.
  /// - Throws: ``Divergence``.
  static func losses(_ model: Model, _ batch: Loader.Batch, _ step: StepContext) throws -> TransferLosses

  /// Tests a model on the images that ranks share, and measures what it found.
  /// - Parameters:
  ///   - model: In evaluation mode.
  ///   - step: Of the training.
  ///   - isStopped: Whether a signal ends the run; read after every image.
  ///   - progress: Called with the images that are done, of all ranks.
  ///   - out: The folder of the results; only rank 0's counts.
  /// - Throws: ``EvaluationStopped`` in every rank soon after `isStopped` in one of them.
  static func test(
    _ model: Model, _ dataset: Dataset, _ config: Config, context: RankContext, step: Int,
    isStopped: () -> Bool, progress: (_ done: Int) -> Void, out: String?
  ) throws -> TestOutcome<Test>
}

/// Annotated images.
package protocol TransferDataset {
  /// As it was given.
  var spec: String { get }
  var count: Int { get }
  var classNames: [String] { get }
  /// One line for people.
  var summary: String { get }
  /// A checksum of all that training takes from it but pixels.
  var fingerprint: UInt32 { get }
  /// A line for each kind of fault in the annotations.
  var faults: [String] { get }
  /// More lines for people before training, as of the pixels' classes, and warnings of what they show.
  func contents() throws -> (lines: [String], warnings: [String])
  /// The images that a test could not use, in their order, as far as headers and masks show it: pixels are not decoded.
  /// - Parameters:
  ///   - workers: Threads that read.
  ///   - progress: Called with the images that are done.
  func unusable(workers: Int, progress: (_ done: Int) -> Void) throws -> [BadFile]
  /// The faults in a sentence, and whether something is missing by them; nil without faults.
  var faultSummary: (text: String, isLoss: Bool)? { get }
}

package protocol TransferLoader: AnyObject {
  associatedtype Batch: TransferBatch
  /// Nil after the last.
  func next() throws -> Batch?
  /// Images that could not be read so far.
  var badFiles: [BadFile] { get }
}

package protocol TransferBatch {
  /// Seconds that the loader's `next()` waited for it.
  var waited: Double { get }
}

/// A network's structure.
package protocol TransferSpec: Codable, Equatable, Sendable {
  /// How texts and the metadata of a file of weights name such a network.
  static var noun: String { get }
  var arch: Architecture { get }
  var classes: Int { get }
  var norm: DetectorSpec.Norm { get }
  /// Of the backbone.
  var encoder: EncoderSpec { get }
  /// Why it cannot be, with the key's name first; nil if it can.
  var problem: String? { get }
  /// A whole network of this kind in a file; nil in other files.
  func whole(in weights: InitialWeights, names: [String]) throws -> InitialWeights.Whole?
}

/// The classes that a file of weights states, with what else results are written by.
package protocol StatedClasses: Codable, Equatable {
  associatedtype Dataset
  var names: [String] { get }
  init(_ dataset: Dataset)
  /// Whether a network of so many classes can be theirs.
  func isOf(classes count: Int) -> Bool
}

/// The numbers of a test.
package protocol TransferTest {
  var step: Int { get }
  /// Nil of other events.
  init?(_ event: RunEvent)
  var event: RunEvent { get }
  /// For people: how it was tested, then the numbers.
  var lines: [String] { get }
  /// What was found in how many images.
  var summary: String { get }
}

/// What came of a test.
package struct TestOutcome<Test> {
  /// Nil except in rank 0.
  package let test: Test?
  package let warnings: [String]
  package let badFiles: [BadFile]
}

/// What the losses of a step depend on beside the images.
package struct StepContext {
  /// The step's number.
  let index: Int
  let seed: UInt64
  /// The rank's rows of the batch.
  let places: [Int]
  let dtype: DType
  let precision: Precision
  let device: Device
  let context: RankContext
}

/// The losses of a step.
package struct TransferLosses {
  /// By detectron2's names.
  let terms: [(name: String, value: Tensor)]
  /// Boxes of an image, in the mean over this rank's; nil of a task without boxes.
  var boxes: (proposals: Double, foreground: Double)?

  /// The sum, which is learned from.
  var total: Tensor { terms.dropFirst().reduce(terms[0].value) { $0 + $1.value } }
}
