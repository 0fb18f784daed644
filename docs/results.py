"""Write `docs/results.md` from what `benchmarks/` recorded: `python docs/results.py`.

Everything in it comes from `benchmarks/results`: each table says the command, the commit, the seed
and the machine of its numbers.
"""

from pathlib import Path

import evidence
import scores

PAGE = Path(__file__).parent / "results.md"
HEAD = """# Results

Written by `make results` from `benchmarks/results`; nothing here was typed by hand. Every model ran
with its defaults. Choices were made on rows before the first cutoff; the windows below were looked
at once. `p` is Diebold and Mariano's test against the baseline, corrected by Holm for the number of
models; **bold** models are better than the baseline beyond luck (p < 0.05), *slanted* ones are
other tools. Seconds are those of a shared machine. None of this was run on a GPU yet.
"""


def main() -> None:
    """Write the page."""
    parts = [
        HEAD, *scores.loads(), *evidence.ablation(), *scores.prices(), *evidence.deck(),
        *evidence.gefcom(), *evidence.peers(), *evidence.speed(),
    ]  # fmt: skip
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
    print(f"docs/{PAGE.name} written")


if __name__ == "__main__":
    main()
