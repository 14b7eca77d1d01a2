"""The rehearsal of `make rehearse-payouts`, small: processes are really killed, and it has to add up."""

from pathlib import Path

from benchmarks.payout_rehearsal import rehearse


async def test_a_wave_is_paid_to_the_rupiah_while_processes_die(tmp_path: Path) -> None:
    found = await rehearse(tmp_path, people=60, kills=4, seed=3)
    assert sum(found["deaths"].values()) == 4
    assert found["ours"] == found["theirs"] == 60 * 1_000_000 + 12 * 50_000
    nothing = ("paid_twice", "left_out", "dues_open", "in_flight", "differences", "batches_not_closed")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert found["ledger"] == []
