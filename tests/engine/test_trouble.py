"""What the disk and the database refuse is told as what it is."""

import resource

import pytest

from saqtau.engine.blobs import Blobs
from saqtau.engine.failures import refusals
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


async def test_a_disk_that_refuses_is_told_as_full_and_leaves_nothing_half_written(blobs, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(Refused) as refused:
            await blobs.put(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.value.kind, refused.value.fields) == (Kind.UNAVAILABLE, {"disk": "full"})
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
    digest = await blobs.put(b"x" * 100_000)
    assert await blobs.get(digest) == b"x" * 100_000


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        ("53100", Kind.UNAVAILABLE, {"postgres": "full"}),
        ("53200", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("57P01", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("40P01", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("22021", Kind.INVALID, {"data": "not_storable"}),
    ],
)
async def test_the_databases_troubles_become_refusals(pg_worker, code, kind, fields):
    with pytest.raises(Refused) as refused, refusals():
        await pg_worker.execute(f"do $$ begin raise exception 'x' using errcode = '{code}'; end $$")
    assert (refused.value.kind, refused.value.fields) == (kind, fields)
