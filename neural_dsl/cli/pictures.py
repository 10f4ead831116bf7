"""`neural visualize`: what was asked for, and what all pictures of attention share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.files import OutputFolder

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.codegen.generate import CompiledModel
    from neural_dsl.visualize.scale import Kind


@dataclass(frozen=True)
class Request:
    """The options of `neural visualize`, under the names that Click gives them."""

    files: tuple[Path, ...]
    attention: bool
    evolution: bool
    form: str | None
    output: Path | None
    network: str | None
    backend: str | None
    layers: tuple[str, ...]
    heads: tuple[int, ...]
    data: Path | None
    tokens: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    weights: Path | None
    save_weights: Path | None
    seed: int
    batch_item: int
    output_dir: Path
    scale: Kind | None
    trust: bool

    def picture(self, name: str) -> str:
        """The file of a picture of that name."""
        return f"{name}.{self.form or 'png'}"

    @property
    def chosen_heads(self) -> list[int]:
        """The heads that were asked for, sorted, each once."""
        return sorted(set(self.heads))

    @property
    def first_head(self) -> int | None:
        """The head that the page opens on, None for the average."""
        return min(self.heads, default=None)


def draw_record(
    folder: OutputFolder, record: AttentionRecord, request: Request, caption: str = ""
) -> None:
    """The pictures and the page of one record."""
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.head_grid import head_grid
    from neural_dsl.visualize.heatmap import attention_heatmap
    from neural_dsl.visualize.interactive import attention_page

    item, scale = request.batch_item, request.scale
    figure = attention_heatmap(
        record,
        heads=request.chosen_heads or None,
        batch_item=item,
        caption=caption,
        scale=scale,
    )
    save_figure(figure, folder.staged(request.picture("attention_heatmap")))
    for layer in record.layers:
        figure = head_grid(record, layer.name, item, caption, scale)
        name = request.picture(f"attention_heads_{layer.name}")
        save_figure(figure, folder.staged(name))
    write_page(folder, attention_page(record, item, caption, request.first_head, scale))


def write_page(folder: OutputFolder, page: str) -> None:
    """The interactive page."""
    folder.staged("attention_interactive.html").write_text(page, encoding="utf-8")


def write_code(folder: OutputFolder, models: Sequence[CompiledModel]) -> None:
    """The very code that was run, numbered where there are several models."""
    for number, model in enumerate(models, start=1):
        suffix = f"_{number}" if len(models) > 1 else ""
        file = folder.staged(BACKENDS[model.backend].file_name(suffix))
        file.write_text(model.code, encoding="utf-8", newline="\n")
