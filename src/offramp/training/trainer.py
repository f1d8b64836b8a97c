"""All wiring to ``transformers.Trainer``: data in, exits' logits out."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from offramp.calibration import Problem, ProblemType
from offramp.errors import ModelFolderError
from offramp.files import read_json
from offramp.model import LoadedModel
from offramp.model.loading import quiet
from offramp.model.padding import padding_id_of
from offramp.training.job import TrainingJob, Trial
from offramp.training.listening import TRAINING, Epoch, Listener
from offramp.training.phases import Phase, phase_loss
from offramp.training.recipe import Recipe
from offramp.training.rows import LengthGrouped, Rows, RowSet, collate

CHECKPOINT_SECONDS = 300.0


class _Trainer(Trainer):
    """Trainer with what it has no argument for: our sampler, and losses that depend on the phase."""

    def __init__(self, phase: Phase, problem: Problem, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._phase = phase
        self._problem = problem

    def compute_loss(
        self, model: torch.nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **options: Any
    ) -> Any:
        """The phase's loss while training; the sum over all exits for the dev rows."""
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, **options)
        step = self.state.global_step
        # Without a loss an exit gets no gradient at all: to AdamW one of zero would still be a reason to change it.
        for head, weight in zip(self.model.heads, self._phase.turn(step), strict=True):
            head.requires_grad_(weight > 0)
        given = {name: value for name, value in inputs.items() if name not in ("labels", "beliefs")}
        outputs = model(**given, flow=self._phase.flow)
        loss = phase_loss(
            outputs.exit_logits,
            inputs["labels"],
            self._problem.type,
            self._phase,
            step=step,
            progress=step / self.state.max_steps,
            teacher=inputs.get("beliefs"),
        )
        return (loss, outputs) if return_outputs else loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows = train_dataset or self.train_dataset
        return LengthGrouped(rows.lengths, self.args.train_batch_size * self.args.world_size, self.args.seed)


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training run found. The network holds the best epoch's weights."""

    epochs: tuple[Epoch, ...]
    best: Epoch
    seconds: float


def fit(
    model: LoadedModel, train: Rows, dev: Rows, phase: Phase, job: TrainingJob, trial: Trial, checkpoints: Path
) -> Fit:
    """Goes through a phase that trains the encoder, and leaves the best epoch's weights in the network.

    Args:
        train: some may have no target; those of ``dev`` have one.
        phase: which exits are trained and how; its share of the recipe's epochs is run.
        checkpoints: folder for what a resumed run needs; every epoch and every few minutes are saved there.
    """
    set_seed(trial.seed)
    problem = Problem(ProblemType(model.network.problem_type))
    _set_dropout(model.network.backbone, job.recipe.dropout)
    layers = [model.network.config.exits[index] for index in phase.trained]
    trainer = _Trainer(
        phase,
        problem,
        model=model.network,
        args=_arguments(job.recipe, phase, trial, checkpoints, job.listener.report_to),
        train_dataset=RowSet(train),
        eval_dataset=RowSet(dev),
        data_collator=partial(collate, padding_id=padding_id_of(model.tokenizer)),
        compute_metrics=lambda prediction: _accuracies(prediction, problem, phase.trained, layers),
        callbacks=[
            _Reporter(layers, job.listener),
            EarlyStoppingCallback(job.recipe.patience),
            _CheckpointByTime(CHECKPOINT_SECONDS),
        ],
        optimizers=(_optimizer(model.network, job.recipe, trial.learning_rate), None),
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = _newest_checkpoint(checkpoints) if job.resume else None
    if checkpoint is not None and (passed := _epochs_of_a_finished(checkpoint)) is not None:
        trainer.args.num_train_epochs = passed  # so it loads the best weights and takes no step
    started = time.monotonic()
    with quiet(), _attention_for_training(model.network.backbone, longest=int(train.encoded.lengths.max())):
        trainer.train(resume_from_checkpoint=checkpoint)
    seconds = time.monotonic() - started
    # Temperatures are for the precision that the engine runs in: fp32, whatever the training used.
    trainer.accelerator.unwrap_model(model.network, keep_fp32_wrapper=False)
    model.network.eval().heads.requires_grad_(True)
    epochs = tuple(_epochs(trainer.state, layers))
    best = max(epochs, key=lambda epoch: epoch.mean_accuracy)
    return Fit(epochs, best, seconds)


@contextlib.contextmanager
def _attention_for_training(backbone: PreTrainedModel, longest: int) -> Iterator[None]:
    """Plain attention while training short texts on a CPU, where the fused kernel's backward pass is slow.

    One step on 16 texts of 70 tokens through MiniLM-6L in bf16 took 0.24 s instead of 0.39 s. Plain attention keeps
    every attention matrix, so long texts stay with the fused kernel.
    """
    before = backbone.config._attn_implementation
    if before == "sdpa" and longest <= 256 and backbone.device.type == "cpu":
        backbone.set_attn_implementation("eager")
    try:
        yield
    finally:
        backbone.set_attn_implementation(before)


def _set_dropout(backbone: torch.nn.Module, probability: float | None) -> None:
    if probability is None:
        return
    for module in backbone.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = probability  # type: ignore[assignment]  # ModernBERT's is no module


def _arguments(
    recipe: Recipe, phase: Phase, trial: Trial, checkpoints: Path, report_to: str = "none"
) -> TrainingArguments:
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    arguments = TrainingArguments(
        output_dir=str(checkpoints.absolute()),
        num_train_epochs=recipe.epochs * phase.share,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=max(64, recipe.batch_size),
        learning_rate=trial.learning_rate,
        lr_scheduler_type=recipe.schedule
        if recipe.warmup == 0 or recipe.schedule != "constant"
        else "constant_with_warmup",
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.bf16,
        use_cpu=on_cpu,
        # In some steps some exits have no loss.
        ddp_find_unused_parameters=not all(all(turn) for turn in phase.weights),
        dataloader_pin_memory=not on_cpu,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        logging_strategy="epoch",
        report_to=report_to,
        seed=trial.seed,
        disable_tqdm=True,
        remove_unused_columns=False,
        restore_callback_states_from_checkpoint=True,
    )
    # One process would spread its batches over all GPUs with DataParallel, whose copies of the network would share the
    # layers of the first. Several GPUs are for several processes, which have one each.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _optimizer(network: torch.nn.Module, recipe: Recipe, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW with its own learning rate for the exits, and no decay for biases, norms and mixing weights."""
    head_rate = recipe.head_learning_rate or learning_rate
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        decays = parameter.ndim > 1
        groups.setdefault((name.startswith("heads."), decays), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": head_rate if is_head else learning_rate,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (is_head, decays), parameters in groups.items()
        ],
        fused=True,
    )


def accuracies_of(logits: NDArray[Any], targets: NDArray[Any], problem: Problem) -> tuple[float, ...]:
    """Share of rows that each exit gets right, from logits (exits, rows, labels)."""
    return tuple(float(problem.right(problem.probabilities(exit_logits), targets).mean()) for exit_logits in logits)


def _accuracies(
    prediction: EvalPrediction, problem: Problem, trained: Sequence[int], layers: Sequence[int]
) -> dict[str, float]:
    logits = np.asarray(prediction.predictions).transpose(1, 0, 2)[list(trained)]
    right = accuracies_of(logits, prediction.label_ids, problem)
    named = {f"accuracy_layer_{depth}": accuracy for depth, accuracy in zip(layers, right, strict=True)}
    return {"accuracy": sum(right) / len(right), **named}


def _epochs(state: TrainerState, exits: list[int]) -> list[Epoch]:
    """The epochs in Trainer's log, those before a resumption included."""
    losses = {entry["epoch"]: entry["loss"] for entry in state.log_history if "loss" in entry}
    return [
        Epoch(
            number=entry["epoch"],
            exits=tuple(exits),
            accuracies=tuple(entry[f"eval_accuracy_layer_{layers}"] for layers in exits),
            training_loss=losses.get(entry["epoch"]),
            seconds=entry["eval_runtime"],
        )
        for entry in state.log_history
        if "eval_accuracy" in entry
    ]


def _newest_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; what was cut off in the middle of it is passed over."""
    whole = [path for path in folder.glob("checkpoint-*") if _is_whole(path)]
    newest = max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)
    return None if newest is None else str(newest.absolute())


def _epochs_of_a_finished(checkpoint: str) -> int | None:
    """Whole epochs of the run that ended with a checkpoint; None where it was to go on.

    Trainer itself forgets on resumption that it was about to stop: after early stopping it would train for another
    epoch, and after a last part of an epoch take one more step.
    """
    state = read_json(Path(checkpoint) / "trainer_state.json")
    stops = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
    return int(state["epoch"]) if stops else None


def _is_whole(checkpoint: Path) -> bool:
    try:
        read_json(checkpoint / "trainer_state.json")  # Trainer writes it last
    except ModelFolderError:
        return False
    return True


class _Reporter(TrainerCallback):
    """Passes Trainer's events on to a listener, from the main process only."""

    def __init__(self, exits: list[int], listener: Listener) -> None:
        self._exits = exits
        self._listener = listener

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._listener.on_progress(TRAINING, state.global_step, state.max_steps)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._listener.on_epoch(_epochs(state, self._exits)[-1])


class _CheckpointByTime(TrainerCallback):
    """Saves a checkpoint every so often, so that a killed run loses minutes and not an epoch."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._saved = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # After an epoch's last step a checkpoint comes anyway, with the dev accuracy. From one without it Trainer
        # would go on to the next epoch, and this one would never be looked at.
        ends = state.global_step == state.max_steps or (state.epoch or 0.0) % 1 == 0
        # Processes whose clocks differ would disagree on when to save and wait for each other for ever.
        if not ends and args.world_size == 1 and time.monotonic() - self._saved >= self._seconds:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._saved = time.monotonic()
