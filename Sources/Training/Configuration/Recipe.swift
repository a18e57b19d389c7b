/// The recipes in the program, each a YAML file in `Recipes/`.
package enum Recipe {
  package static let all: [(name: String, text: [UInt8])] = [
    ("v1", PackageResources.v1_yaml),
    ("v2", PackageResources.v2_yaml),
    ("ig1b", PackageResources.ig1b_yaml),
    ("v3-resnet50", PackageResources.v3_resnet50_yaml),
    ("v3-vit-small", PackageResources.v3_vit_small_yaml),
    ("v3-vit-base", PackageResources.v3_vit_base_yaml),
    ("densecl", PackageResources.densecl_yaml),
    ("mae", PackageResources.mae_yaml),
    ("moco-mae", PackageResources.moco_mae_yaml),
    ("cifar", PackageResources.cifar_yaml),
    ("demo", PackageResources.demo_yaml),
    ("laptop", PackageResources.laptop_yaml),
    // CIFAR-10 with other methods, for comparison.
    ("simclr", PackageResources.simclr_yaml),
    ("byol", PackageResources.byol_yaml),
    ("simsiam", PackageResources.simsiam_yaml),
    ("barlow-twins", PackageResources.barlow_twins_yaml),
    ("instdisc", PackageResources.instdisc_yaml),
    ("local-agg", PackageResources.local_agg_yaml),
    ("cpc", PackageResources.cpc_yaml),
    ("rotation", PackageResources.rotation_yaml),
    ("jigsaw", PackageResources.jigsaw_yaml),
    ("relative-position", PackageResources.relative_position_yaml),
    ("colorization", PackageResources.colorization_yaml),
    ("exemplar", PackageResources.exemplar_yaml),
    ("multi-task", PackageResources.multi_task_yaml),
  ]

  package static var names: [String] { all.map(\.name) }
}
