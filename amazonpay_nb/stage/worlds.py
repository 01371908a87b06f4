"""The worlds of a story: for each region a workbench, with an emulator that can go back to an earlier moment."""

from collections.abc import Mapping

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.stage.brand import Brand
from amazonpay_nb.workbench.bench import Workbench

# By region: a snapshot, and how long the journal was.
Mark = Mapping[str, tuple[str, int]]


class Worlds:
    """The workbenches that are open, by region."""

    def __init__(self) -> None:
        self._benches: dict[str, Workbench] = {}

    def open(self, region: str, brand: Brand) -> Workbench:
        """Return the workbench of a region, opened on first use, with the merchant's face."""
        if region not in self._benches:
            bench = Workbench(
                region=region, buyer="script", amount=brand.amount, currency=brand.currency, language=brand.language,
                merchant_name=brand.merchant_name, merchant_color=brand.merchant_color,
            )  # fmt: skip
            bench.set_up_keys()
            bench.shop.logo = brand.logo
            self._benches[region] = bench
        return self._benches[region]

    def mark(self) -> Mark:
        """Keep this moment; it can be returned to once."""
        return {name: (emulator_of(bench).snapshot(), len(bench.journal)) for name, bench in self._benches.items()}

    def return_to(self, mark: Mark) -> None:
        """Go back to a moment; a region that was opened after it is closed."""
        for region in self._benches.keys() - mark:
            self._benches.pop(region).close()
        for region, (snapshot, length) in mark.items():
            emulator_of(self._benches[region]).restore(snapshot, keep=False)
            self._benches[region].journal.rewind(length)

    def close(self) -> None:
        """Close every shop and every emulator."""
        while self._benches:
            self._benches.popitem()[1].close()


def emulator_of(bench: Workbench) -> Emulator:
    """Return the emulator, which a stage always has."""
    assert bench.emulator is not None  # noqa: S101 (the environment is never another)
    return bench.emulator
