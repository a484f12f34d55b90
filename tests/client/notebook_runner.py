"""Runs a notebook's code cells from the top in one namespace, and keeps what each shows.

    python tests/client/notebook_runner.py examples/first_study.ipynb  # writes outputs into it

It needs no kernel: a cell is Python, its last expression is shown as a notebook would show it, and
the first exception ends the run. A server must be running, as for whoever opens the notebook.
"""

from __future__ import annotations

import ast
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with fresh outputs."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = _outputs("".join(cell["source"]), namespace, count)
    for value in namespace.values():
        if hasattr(value, "close"):  # connections, which end with a kernel
            value.close()
    return notebook


def _outputs(source: str, namespace: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    result = None
    with redirect_stdout(printed):
        exec(compile(tree, f"<cell {count}>", "exec"), namespace)
        if last is not None:
            expression = ast.Expression(last.value)
            result = eval(compile(expression, f"<cell {count}>", "eval"), namespace)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if result is not None:
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": mime_bundle(result),
            }
        )
    return outputs


def mime_bundle(value: Any) -> dict[str, Any]:
    """A value in every form that it offers a notebook."""
    if hasattr(value, "to_plotly_json"):
        figure = json.loads(value.to_json())
        return {"application/vnd.plotly.v1+json": figure, "text/plain": ["Figure"]}
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(keepends=True)
    return data


if __name__ == "__main__":
    path = Path(sys.argv[1])
    executed = run(json.loads(path.read_text()))
    path.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n")
