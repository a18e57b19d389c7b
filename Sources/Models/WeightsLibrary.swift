/// The library that a file of weights comes from, as far as its tensors' names show it. A ResNet without a prefix has
/// the same names in most of them: that is nil, not a guess.
public enum WeightsLibrary: String, Codable, Sendable, CaseIterable {
  /// The published code of MoCo v1 and v2, and that of MoCo v3.
  case moco
  case mocoV3 = "moco-v3"
  /// Vision transformers only; ResNets have its names in most libraries.
  case torchvision
  case timm
  case transformers
  case lightly
  case lightlyTrain = "lightly-train"
  case soloLearn = "solo-learn"
  /// mmselfsup, and mmpretrain, into which it went.
  case mmpretrain
  case vissl
  /// The published code of DINO.
  case dino
  case detectron2
}
