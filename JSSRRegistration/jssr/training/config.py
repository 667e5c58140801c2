"""The configuration of one training run: every knob, its meaning and its default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from jssr.labels import Phase
from jssr.networks.config import SIZE_DIVISOR, Architecture, NetworksConfig
from jssr.training.losses.adversarial import AdversarialForm

StageName = Literal["segmentor", "registration", "joint"]
Channels = Annotated[tuple[PositiveInt, ...], Field(min_length=2)]
_SIZES = NetworksConfig()


class Section(BaseModel):
    """Base of all sections: unknown fields are errors, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSizes(Section):
    """Channels of each level of the networks, finest first; the label table gives the classes."""

    segmentor_channels: Channels = _SIZES.segmentor_channels
    generator_channels: Channels = _SIZES.generator_channels
    register_channels: Channels = _SIZES.register_channels
    register_features: PositiveInt = Field(
        default=_SIZES.register_features, description="width of what the register correlates"
    )
    register_head: PositiveInt = Field(
        default=_SIZES.register_head, description="width of its layers from matching to velocity"
    )
    discriminator_channels: Channels = _SIZES.discriminator_channels


class PhantomConfig(Section):
    """Procedural pairs, made while training and kept in a pool in memory."""

    pool_size: int = Field(default=48, ge=1, description="pairs kept in memory")
    refresh_every: int = Field(
        default=4, ge=1, description="steps after which one pair of the pool is new"
    )
    pairs_per_patient: int = Field(default=2, ge=1, description="pairs made of one anatomy")
    first_pairs: int = Field(default=4, ge=1, description="pairs made before the first step")
    contrast: Literal["physiological", "random", "mixed"] = "mixed"
    shapes_fraction: float = Field(default=0.0, ge=0, le=1, description="pairs of random shapes")
    motion_scale: float = Field(default=1.0, gt=0, description="factor on the sampled motion")


class CohortConfig(Section):
    """Pairs of a cohort that ``jssr prepare`` cached."""

    cache: str | None = Field(default=None, description="folder that `jssr prepare` wrote")
    annotated_cache: str | None = Field(
        default=None,
        description="another cache whose segmentations teach S beside those of the cohort",
    )
    fixed_phases: list[Phase] | None = Field(
        default=None, description="phases that may be the fixed scan; default: any"
    )


class DataConfig(Section):
    """Where pairs come from and on what grid networks see them."""

    source: Literal["phantoms", "cohort"] = "phantoms"
    shape_zyx: tuple[int, int, int] = Field(
        default=(80, 96, 112), description="voxels of a training volume"
    )
    batch_size: int = Field(default=1, ge=1, description="pairs a step and process")
    phantoms: PhantomConfig = PhantomConfig()
    cohort: CohortConfig = CohortConfig()

    @field_validator("shape_zyx")
    @classmethod
    def _networks_take_it(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if any(size < 2 * SIZE_DIVISOR or size % SIZE_DIVISOR for size in value):
            raise ValueError(
                f"each size must be a multiple of {SIZE_DIVISOR} and at least {2 * SIZE_DIVISOR}"
            )
        return value

    @model_validator(mode="after")
    def _cohort_has_cache(self) -> "DataConfig":
        if self.source == "cohort" and self.cohort.cache is None:
            raise ValueError("source is 'cohort', so cohort.cache must name the prepared folder")
        return self


class AugmentationConfig(Section):
    """What varies a pair on the training device; probabilities are per pair or per scan."""

    swap: float = Field(default=0.5, ge=0, le=1, description="fixed and moving change places")
    affine: float = Field(
        default=0.0, ge=0, le=1, description="both scans rotated, scaled, shifted alike"
    )
    rotation_degrees: float = Field(default=7.0, ge=0)
    scaling: float = Field(default=0.1, ge=0, lt=0.5)
    translation_mm: float = Field(default=15.0, ge=0)
    misalignment: float = Field(
        default=0.0, ge=0, le=1, description="a rigid motion of the moving scan alone"
    )
    misalignment_mm: float = Field(default=6.0, ge=0)
    misalignment_degrees: float = Field(default=2.0, ge=0)
    intensity: float = Field(default=0.5, ge=0, le=1, description="HU scaled and shifted")
    noise: float = Field(default=0.3, ge=0, le=1, description="noise added")
    noise_hu: float = Field(default=20.0, ge=0)
    blur: float = Field(
        default=0.1, ge=0, le=1, description="smoothed along one axis, as by thick slices"
    )
    field_of_view: float = Field(default=0.3, ge=0, le=1, description="a scan cut to a smaller box")


class LossWeights(Section):
    """Factor of every term; zero leaves the term out and costs nothing."""

    adversarial: float = Field(default=0.05, ge=0, description="L_GAN for G")
    joint_l1: float = Field(default=1.0, ge=0, description="|tau(G(x,y)) - y|")
    local_correlation: float = Field(
        default=0.0, ge=0, description="1 - local correlation of the same two"
    )
    smoothness: float = Field(default=0.05, ge=0, description="|grad u|^2, displacement in mm")
    folding: float = Field(default=1.0, ge=0, description="max(0, 0.1 - J)")
    inverse_consistency: float = Field(
        default=0.02, ge=0, description="mm that there and back misses"
    )
    lesion_volume: float = Field(default=0.05, ge=0, description="|log J| inside lesions")
    dice_consistency: float = Field(default=0.5, ge=0, description="1 - Dice[tau(S(G(x,y))), S(y)]")
    dice_supervised: float = Field(
        default=1.0, ge=0, description="Dice + cross-entropy of S on annotations"
    )
    true_field: float = Field(
        default=0.0, ge=0, description="mm from the true displacement (phantoms)"
    )
    true_synthesis: float = Field(
        default=0.0, ge=0, description="|G(x,y) - exact answer| (phantoms)"
    )
    true_labels: float = Field(
        default=0.0, ge=0, description="Dice of warped true labels (annotated pairs)"
    )


class MethodConfig(Section):
    """Which networks take part, and how the traps of the printed objective are closed."""

    architecture: Architecture = Field(
        default="jssr", description="our networks, or the paper's plain U-Nets"
    )
    synthesis: bool = Field(default=True, description="G and D take part; else Phi sees raw phases")
    segmentation: bool = Field(default=True, description="S takes part")
    adversarial_form: AdversarialForm = "least-squares"
    correlation_radius: int = Field(default=2, ge=1, le=4, description="voxels")
    warp_style: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="part of the steps in which G sees a randomly warped fixed scan",
    )
    style_warp_mm: float = Field(default=12.0, gt=0)
    full_resolution_similarity: bool = Field(
        default=False,
        description="image terms on the image's grid, as printed, not on the field's (half)",
    )
    deep_supervision: bool = Field(default=True, description="truth supervises every level of Phi")
    organ_emphasis: float = Field(
        default=1.0, ge=0, description="extra weight of the true field in organs"
    )


class StageConfig(Section):
    """One stage of the training."""

    name: StageName
    steps: int = Field(ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=20, ge=0)
    final_fraction: float = Field(
        default=0.02, gt=0, le=1, description="last learning rate over the first"
    )
    decay_start: float = Field(
        default=0.3, ge=0, le=1, description="part of the stage at full rate"
    )
    loss: dict[str, float] = Field(default_factory=dict, description="weights of this stage alone")
    discriminator_from: int = Field(
        default=0, ge=0, description="step of the stage from which D and the adversarial term work"
    )

    @property
    def trains_segmentor(self) -> bool:
        """S learns; alone from annotated scans, or beside the others."""
        return self.name in ("segmentor", "joint")

    @property
    def trains_registration(self) -> bool:
        """G and Phi learn, from pairs of scans."""
        return self.name in ("registration", "joint")

    @property
    def joint(self) -> bool:
        """All three learn together, so that S also learns from what Phi makes of its labels."""
        return self.trains_segmentor and self.trains_registration

    @field_validator("loss")
    @classmethod
    def _known_terms(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(LossWeights.model_fields))
        if unknown:
            raise ValueError(f"unknown loss term {', '.join(unknown)}")
        return value


class OptimizerConfig(Section):
    """AdamW with clipped gradients and an averaged copy of the weights."""

    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=1e-4, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(default=0.995, ge=0, lt=1, description="averaging of the weights")
    discriminator_learning_rate: float = Field(default=4e-4, gt=0)


class ValidationConfig(Section):
    """Figures on held-out pairs that never train."""

    every_steps: int = Field(default=200, ge=1)
    pairs: int = Field(default=4, ge=1)
    best_figure: str = Field(
        default="tre_liver_mm", description="figure that chooses the best checkpoint"
    )
    best_is_lowest: bool = True
    pictures: bool = Field(default=True, description="TensorBoard pictures of the first pair")


class CheckpointConfig(Section):
    """How often the run's state is saved, beside the end of each stage."""

    every_steps: int = Field(default=200, ge=1)
    every_minutes: float = Field(default=5.0, gt=0)
    keep: int = Field(default=2, ge=1, description="latest checkpoints kept, beside the best")


class HardwareConfig(Section):
    """What computes."""

    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:n")
    devices: int = Field(
        default=1, ge=1, description="processes on this node (GPU count, or CPU processes)"
    )
    nodes: int = Field(default=1, ge=1)
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        default="auto", description="auto: bf16-mixed where the processor computes in bf16"
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads; default: PyTorch's choice"
    )
    channels_last: bool = Field(default=False, description="memory layout of volumes and kernels")


class CardConfig(Section):
    """What the exported bundle says about itself."""

    name: str = "jssr"
    version: str = "1"
    license: str = "Apache-2.0"
    description: str = ""
    intended_use: str = "Research on registration of multi-phase liver CT; not for clinical use."
    limits: str = ""


class TrainingConfig(Section):
    """Everything that decides a training run."""

    name: str = "run"
    seed: int = Field(default=0, ge=0)
    output: str = Field(default="runs/run", description="folder of checkpoints, figures and logs")
    max_minutes: float | None = Field(
        default=None, gt=0, description="stop cleanly after this time"
    )
    tensorboard: bool = Field(
        default=True, description="write TensorBoard events where it is installed"
    )
    window_hu: tuple[float, float] = (-200.0, 300.0)
    spacing_mm: float = Field(default=3.0, gt=0, description="working spacing, isotropic")
    networks: NetworkSizes = NetworkSizes()
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    method: MethodConfig = MethodConfig()
    loss: LossWeights = LossWeights()
    stages: list[StageConfig] = Field(min_length=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    hardware: HardwareConfig = HardwareConfig()
    card: CardConfig = CardConfig()

    @field_validator("window_hu")
    @classmethod
    def _window_rises(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("the lower end must be below the upper end")
        return value

    @model_validator(mode="after")
    def _fixed_scans_stay_fixed(self) -> "TrainingConfig":
        if self.data.cohort.fixed_phases is not None and self.augmentation.swap > 0:
            raise ValueError(
                "augmentation.swap must be 0 where data.cohort.fixed_phases says which scans are "
                "fixed"
            )
        return self

    @model_validator(mode="after")
    def _levels_fit(self) -> "TrainingConfig":
        self.networks_config().check_levels()
        return self

    def networks_config(self) -> NetworksConfig:
        """The networks' architecture and sizes as the networks package wants them."""
        return NetworksConfig(self.method.architecture, **self.networks.model_dump())

    def weights(self, stage: StageConfig) -> LossWeights:
        """The loss weights of a stage: the run's, with the stage's own on top."""
        return LossWeights(**{**self.loss.model_dump(), **stage.loss})
