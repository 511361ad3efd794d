"""One trainer for every network: seeded, resumable, on any device, with mixed precision and over several processes.

A step's order of examples, augmentation and dropout follow from the seed, the epoch and the step alone. A run that
was killed therefore goes on from its last checkpoint as if nothing had happened, to the same numbers on the same
machine and threads.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from numpy.typing import NDArray
from torch import Tensor, nn

from cemvis.errors import InputError, TrainingError
from cemvis.models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from cemvis.models.device import torch_device
from cemvis.models.history import Epoch, History
from cemvis.models.trainer_config import TrainerConfig

Indices = NDArray[np.intp]


class Examples(Protocol):
    """What a network learns from or is judged on."""

    def __len__(self) -> int: ...

    def batch(self, indices: Indices, rng: np.random.Generator | None) -> tuple[NDArray[Any], ...]:
        """Return the arrays of these examples, augmented with `rng` if there is one."""


Loss = Callable[[nn.Module, tuple[Tensor, ...]], Tensor]
"""Mean loss of a batch; the first array of a batch is the network's input."""


@dataclass(frozen=True)
class Moment:
    """Where a training is: for a progress bar.

    Attributes
    ----------
    epoch : int
        From 1.
    step, steps : int
        Steps done over all epochs, and all of them.
    train_loss : float
        Mean of this epoch so far.
    validation_loss : float or None
        Of the epoch before.
    """

    epoch: int
    step: int
    steps: int
    train_loss: float
    validation_loss: float | None


@dataclass
class _State:
    """What changes during a training besides the tensors; all of it goes into the checkpoint."""

    epoch: int = 0
    step: int = 0  # done in this epoch
    loss_sum: float = 0.0
    examples: int = 0
    history: list[Epoch] = field(default_factory=list)


def fit(
    network: nn.Module,
    loss: Loss,
    train: Examples,
    validation: Examples,
    config: TrainerConfig,
    *,
    checkpoint: Path | None = None,
    job: Mapping[str, Any] | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> History:
    """Train `network` in place and leave it with the weights of its best epoch on `validation`.

    Parameters
    ----------
    network : nn.Module
        With the weights to start from.
    loss : callable
        ``loss(network, batch)``, the mean over the batch.
    train, validation : Examples
        At least two and one.
    config : TrainerConfig
    checkpoint : Path, optional
        Where to keep what a killed run needs; continued if it is there, and left there at the end.
    job : mapping, optional
        What else the result depends on, JSON-ready: a checkpoint of another job is refused.
    progress : callable, optional
        Called after each step.

    Raises
    ------
    InputError
        If there are too few examples, the device does not exist, or the checkpoint belongs to another job.
    TrainingError
        If the loss is not finite any more.
    KeyboardInterrupt
        On Ctrl-C, after the checkpoint was written.
    """
    if len(train) < 2 or len(validation) < 1:
        msg = f"{len(train)} examples to train on, {len(validation)} to validate on; wanted at least 2 and 1"
        raise InputError(msg)
    run = _Run(network, loss, train, validation, config, job or {}, checkpoint)
    run.resume()
    with _deferred_interrupt() as interrupted:
        while run.state.epoch < config.epochs and not run.stale():
            run.epoch(progress, interrupted)
    run.keep_best()
    return History(tuple(run.state.history))


class _Run:
    """One training: the network with its optimiser, and where it stands."""

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        train: Examples,
        validation: Examples,
        config: TrainerConfig,
        job: Mapping[str, Any],
        checkpoint: Path | None,
    ) -> None:
        device = torch_device(config.device)
        if config.precision == "fp16" and device.type == "cpu":
            msg = "precision fp16 needs a GPU; wanted bf16 or no on the CPU"
            raise InputError(msg)
        self.accelerator = _accelerator(config, device)
        self.device = self.accelerator.device if self.accelerator.num_processes > 1 else device
        self.config, self.loss, self.train, self.validation = config, loss, train, validation
        self.job = {**job, "trainer": config.identity, "processes": self.accelerator.num_processes}
        self.path = checkpoint
        self.plain = network.to(self.device)
        self.plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # missing in PyTorch's types
        kind = torch.optim.AdamW if config.weight_decay else torch.optim.Adam
        self.optimizer = kind(self.plain.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        spread_out = self.accelerator.num_processes > 1
        wrapped = self.plain
        if spread_out and self.device.type == "cuda":
            wrapped = nn.SyncBatchNorm.convert_sync_batchnorm(wrapped)  # type: ignore[no-untyped-call, unused-ignore]
        prepared = self.accelerator.prepare(wrapped, self.optimizer, device_placement=[spread_out] * 2)
        self.network: nn.Module = prepared[0]
        self.stepper = prepared[1]
        # Never a step of one: batch normalisation cannot learn from a single value.
        self.steps = min(-(-len(train) // config.batch), len(train) // 2)
        if len(train) // self.steps < self.accelerator.num_processes:
            msg = (
                f"steps of {len(train) // self.steps} examples are too few for {self.accelerator.num_processes} "
                "processes; wanted one for each: give a larger --batch, or fewer processes"
            )
            raise InputError(msg)
        self.schedule = _schedule(self.optimizer, config, self.steps)
        self.state = _State()
        self.best: dict[str, Tensor] = {}
        self.saved_at = time.monotonic()

    def epoch(self, progress: Callable[[Moment], None] | None, interrupted: Callable[[], bool]) -> None:
        """Finish the epoch that the state is in, validate, and take note."""
        state, config = self.state, self.config
        order = np.random.default_rng([config.seed, 1, state.epoch]).permutation(len(self.train))
        parts = np.array_split(order, self.steps)
        for step, batch in self._batches(self.train, parts, first=state.step, augment=True):
            value = self._step(batch, step, of=len(parts[step]))
            state.loss_sum += value * len(parts[step])
            state.examples += len(parts[step])
            state.step = step + 1
            if progress is not None:
                before = state.history[-1].validation_loss if state.history else None
                done, all_steps = state.epoch * self.steps + state.step, config.epochs * self.steps
                progress(Moment(state.epoch + 1, done, all_steps, state.loss_sum / state.examples, before))
            stop = self._any(interrupted())
            if stop or time.monotonic() - self.saved_at > config.checkpoint_every_s:
                self.save()
            if stop:
                raise KeyboardInterrupt
        rate = float(self.optimizer.param_groups[0]["lr"])
        record = Epoch(state.epoch + 1, rate, state.loss_sum / state.examples, self._validated())
        self._check_finite(record.validation_loss, "its end")
        if not state.history or record.validation_loss < min(one.validation_loss for one in state.history):
            self.best = {name: tensor.detach().clone() for name, tensor in self.plain.state_dict().items()}
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(record.validation_loss)
        self.state = _State(epoch=state.epoch + 1, history=[*state.history, record])
        self.save()
        if self._any(interrupted()):
            raise KeyboardInterrupt

    def stale(self) -> bool:
        """Return whether the validation loss has not become better for as long as the config waits."""
        history, patience = self.state.history, self.config.stop_after
        return bool(history) and patience is not None and len(history) - History(tuple(history)).best.epoch >= patience

    def keep_best(self) -> None:
        """Give the network the weights of its best epoch, and its own forward back."""
        self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
        self.plain.load_state_dict(self.best)
        self.plain.eval()

    def save(self) -> None:
        """Write the checkpoint, if one was asked for."""
        self.saved_at = time.monotonic()
        if self.path is None or not self.accelerator.is_main_process:
            return
        numbers = {
            "job": self.job,
            "state": asdict(self.state),
            "schedule": _plain(self.schedule),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
        }
        kept = Checkpoint(self.plain.state_dict(), self.best, self.optimizer.state_dict(), numbers)
        write_checkpoint(self.path, kept)

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        if self.path is None or not self.path.exists():
            return
        found = read_checkpoint(self.path, self.plain, job=self.job)
        self.plain.load_state_dict(found.network)
        self.optimizer.load_state_dict(dict(found.optimizer))
        if self.schedule is not None:
            self.schedule.load_state_dict(found.numbers["schedule"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(found.numbers["scaler"])
        self.best = {name: tensor.to(self.device) for name, tensor in found.best.items()}
        state = found.numbers["state"]
        self.state = replace(_State(**state), history=[Epoch(**one) for one in state["history"]])

    def _step(self, batch: tuple[Tensor, ...], step: int, *, of: int) -> float:
        """Learn from this process's share of a step's `of` examples and return the mean loss of all of them."""
        state, config = self.state, self.config
        rank = self.accelerator.process_index
        torch.manual_seed(int(np.random.default_rng([config.seed, 3, state.epoch, step, rank]).integers(2**63)))
        self.network.train()
        with self.accelerator.autocast():
            loss = self.loss(self.network, batch)
        value = self._mean(float(loss.detach()) * len(batch[0]), len(batch[0]))
        self._check_finite(value, f"step {step + 1}")
        self.stepper.zero_grad(set_to_none=True)
        # Processes average their gradients; those with more examples than others have to count for more.
        share = len(batch[0]) * self.accelerator.num_processes / of
        self.accelerator.backward(loss if share == 1 else loss * share)
        self.stepper.step()
        if isinstance(self.schedule, torch.optim.lr_scheduler.OneCycleLR):
            self.schedule.step()
        return value

    def _check_finite(self, loss: float, where: str) -> None:
        if not np.isfinite(loss):
            msg = (
                f"the loss is {loss} in epoch {self.state.epoch + 1}, {where}: training has diverged; try a lower "
                f"--learning-rate than {self.config.learning_rate:g}"
            )
            raise TrainingError(msg)

    def _validated(self) -> float:
        """Return the mean loss over the validation examples."""
        self.network.eval()
        parts = np.array_split(np.arange(len(self.validation)), -(-len(self.validation) // self.config.batch))
        total = 0.0
        with torch.inference_mode(), self.accelerator.autocast():
            for part, batch in self._batches(self.validation, parts, first=0, augment=False):
                mine = len(batch[0])
                value = float(self.loss(self.network, batch)) * mine if mine else 0.0
                total += self._mean(value, mine) * len(parts[part])
        return total / len(self.validation)

    def _batches(
        self, examples: Examples, parts: list[Indices], *, first: int, augment: bool
    ) -> Generator[tuple[int, tuple[Tensor, ...]]]:
        """Yield this process's share of each part as tensors, gathering the next while one is used."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes

        def gather(step: int) -> tuple[Tensor, ...]:
            key = [self.config.seed, 2, self.state.epoch, step, rank]
            rng = np.random.default_rng(key) if augment else None
            return tuple(torch.from_numpy(each) for each in examples.batch(parts[step][rank::world], rng))

        with ThreadPoolExecutor(1, thread_name_prefix="cemvis-gather") as pool:
            ahead = pool.submit(gather, first) if first < len(parts) else None
            for step in range(first, len(parts)):
                assert ahead is not None
                batch = tuple(self._placed(each) for each in ahead.result())
                ahead = pool.submit(gather, step + 1) if step + 1 < len(parts) else None
                yield step, batch

    def _placed(self, tensor: Tensor) -> Tensor:
        layout = torch.channels_last if tensor.ndim == 4 else torch.preserve_format
        return tensor.to(self.device, non_blocking=True, memory_format=layout)

    def _any(self, asked: bool) -> bool:
        """Return whether any process was asked to stop: they have to stop together, or the others wait for ever."""
        if self.accelerator.num_processes == 1:
            return asked
        return bool(self.accelerator.reduce(torch.tensor(float(asked), device=self.device), reduction="sum"))

    def _mean(self, weighted: float, count: int) -> float:
        """Return the mean over all processes."""
        if self.accelerator.num_processes == 1:
            return weighted / count
        sums = torch.tensor([weighted, float(count)], dtype=torch.float64, device=self.device)
        total = self.accelerator.reduce(sums, reduction="sum")
        return float(total[0] / total[1])


def _accelerator(config: TrainerConfig, device: torch.device) -> Accelerator:
    """Return an accelerator for this run, whatever device and precision the one before it had."""
    cpu = device.type == "cpu"
    # accelerate keeps both for the life of the process and refuses others.
    AcceleratorState._reset_state(reset_partial_state=not PartialState(cpu).use_distributed)
    return Accelerator(mixed_precision=config.precision, cpu=cpu)


Scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau | torch.optim.lr_scheduler.OneCycleLR | None


def _schedule(optimizer: torch.optim.Optimizer, config: TrainerConfig, steps: int) -> Scheduler:
    if config.schedule == "plateau":
        # PyTorch waits for one epoch more than its patience.
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=config.plateau_factor, patience=config.plateau_epochs - 1, threshold=0.0, eps=0.0
        )
    if config.schedule == "one-cycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.epochs * steps + 1, cycle_momentum=False
        )
    return None


def _plain(schedule: Scheduler) -> dict[str, Any]:
    """Return what a schedule has to remember, JSON-ready."""
    return {} if schedule is None else dict(schedule.state_dict())


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into an answer to "was there one?", so that it never falls into the middle of a step."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(signum: int, _frame: object) -> None:
        if asked.is_set():  # a second one is meant at once
            signal.default_int_handler(signum, None)
        asked.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
