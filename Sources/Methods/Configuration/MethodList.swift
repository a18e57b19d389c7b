extension MethodKind {
  /// All methods, in the order of the help.
  public static let all: [MethodKind] = [
    MoCo.kind, EndToEnd.kind, MemoryBankMoCo.kind, MoCoV3.kind, DenseCL.kind, SimCLR.kind, BYOL.kind,
    SimSiam.kind, BarlowTwins.kind, InstDisc.kind, LocalAggregation.kind, CPC.kind, Rotation.kind,
    Jigsaw.kind, RelativePosition.kind, Colorization.kind, Exemplar.kind, MultiTask.kind, MAE.kind,
    MoCoMAE.kind,
  ]
}
