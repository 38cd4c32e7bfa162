"""bench.download.unpack: archives become one folder, whole, or nothing; and nothing beside it."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile

import pytest

from bench.download.unpack import unpack
from registry.errors import WorkError

FILES = {"a.txt": b"alpha", "sub/b.bin": bytes(range(256)) * 4000, "sub/deep/empty": b""}
LIMITS = {"most_bytes": 10_000_000, "most_files": 100}
TAR_KINDS = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
ZIP_KINDS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def entry(name, content=b"", **fields):
    """A tar member with these fields."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(content)


def tar_of(*entries, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as tar:
        for info, content in entries:
            tar.addfile(info, content)
    return out.getvalue()


def zip_of(files, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def with_field(archive, *, signature, offset, form, value):
    """The zip with a field of its first local or central header set."""
    changed = bytearray(archive)
    struct.pack_into(form, changed, archive.index(signature) + offset, value)
    return bytes(changed)


CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
GOOD_TAR = tar_of(*(entry(name, content) for name, content in FILES.items()))
GOOD_ZIP = zip_of(FILES.items())


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def unpacked(tmp_path):
    """Unpack bytes into work/target; whatever happens, all else stays as it was."""

    def call(archive, **options):
        path = tmp_path / "work" / "archive"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(archive)
        before = everything(tmp_path)
        target = tmp_path / "work" / "target"
        try:
            unpack(path, target, **{**LIMITS, **options})
        except WorkError:
            assert everything(tmp_path) == before
            raise
        added = everything(tmp_path).keys() - before.keys()
        assert all(name.is_relative_to(target) for name in added)
        return target

    return call


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# Good archives.


@pytest.mark.parametrize("kind", TAR_KINDS)
def test_tars_are_told_by_content(unpacked, kind):
    assert contents(unpacked(TAR_KINDS[kind](GOOD_TAR))) == FILES


@pytest.mark.parametrize("kind", ZIP_KINDS)
def test_zips_are_told_by_content(unpacked, kind):
    assert contents(unpacked(zip_of(FILES.items(), ZIP_KINDS[kind]))) == FILES


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_may_be_of_each_format(unpacked, form):
    name = "d" * 90 + "/" + "f" * 90 + ".jpg"
    assert contents(unpacked(tar_of(entry(name, b"x"), format=form))) == {name: b"x"}


def test_an_old_tar_without_a_magic_word_is_a_tar(unpacked):
    old = bytearray(GOOD_TAR[:512])
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    assert contents(unpacked(bytes(old) + GOOD_TAR[512:])) == FILES


def test_gzip_may_be_of_several_pieces(unpacked):
    assert contents(unpacked(gzip.compress(GOOD_TAR[:999]) + gzip.compress(GOOD_TAR[999:])))


def test_names_may_begin_with_a_dot_and_folders_be_members(unpacked):
    folders = [entry(name, type=tarfile.DIRTYPE) for name in (".", "./sub", "./empty")]
    target = unpacked(tar_of(*folders, entry("./sub/a", b"x")))
    assert sorted(path.name for path in target.rglob("*")) == ["a", "sub"]


@pytest.mark.parametrize("archive", [GOOD_TAR, GOOD_ZIP])
def test_place_says_what_goes_where(unpacked, archive):
    places = {"a.txt": None, "sub/b.bin": "x/y/b", "sub/deep/empty": "e"}
    target = unpacked(archive, place=places.__getitem__)
    assert contents(target) == {"x/y/b": FILES["sub/b.bin"], "e": b""}


def test_what_is_left_out_may_be_anything_and_takes_no_bytes(unpacked):
    link = entry("link", type=tarfile.SYMTYPE, linkname="/")
    archive = tar_of(link, entry("big", b"x" * 1000), entry("a", b"x"))
    keep = {"link": None, "big": None, "a": "a"}
    assert contents(unpacked(archive, place=keep.get, most_bytes=1)) == {"a": b"x"}


@pytest.mark.parametrize("archive", [gzip.compress(GOOD_TAR), GOOD_TAR, GOOD_ZIP])
def test_progress_adds_up_to_the_archives_bytes(unpacked, archive):
    seen = []
    unpacked(archive, advance=seen.append)
    assert sum(seen) == len(archive)
    assert len(seen) == len(FILES) + 1


def test_modes_are_plain_under_any_umask(unpacked):
    before = os.umask(0o077)
    try:
        target = unpacked(tar_of(entry("sub/tool", b"x", mode=0o6777), entry("shut", mode=0)))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*")}
    assert modes == {"sub": 0o755, "tool": 0o644, "shut": 0o644}
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


# Members that could do harm.

OUTSIDE = [
    "../out",
    "sub/../../out",
    "/out",
    "//out",
    "C:out",
    "c:/out",
    "..\\out",
    "sub\\out",
    "..",
]


@pytest.mark.parametrize("name", [*OUTSIDE, "sub/../fine"])
def test_a_tar_path_that_could_lead_outside_is_refused(unpacked, name):
    archive = tar_of(entry("good", b"x"), entry(name, b"x"), format=tarfile.PAX_FORMAT)
    with pytest.raises(WorkError, match=r"member .* may lead out of the folder, nothing was unp"):
        unpacked(archive)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_zip_path_that_could_lead_outside_is_refused(unpacked, name):
    with pytest.raises(WorkError, match=r"member .* may lead out of the folder, nothing was unp"):
        unpacked(zip_of([("good", b"x"), (name, b"x")]))


def test_a_path_with_a_zero_byte_is_refused(unpacked):
    with pytest.raises(WorkError, match=r"may lead out|embedded null"):
        unpacked(tar_of(entry("x", b"x", pax_headers={"path": "a\0b"})))
    with pytest.raises(WorkError, match="may lead out"):
        unpacked(GOOD_TAR, place=lambda path: "a\0b")


def test_a_member_without_a_name_is_refused(unpacked):
    archive = bytearray(zip_of([("a", b"x")]))
    for signature, offset in ((LOCAL, 30), (CENTRAL, 46)):
        archive[archive.index(signature) + offset] = 0  # zipfile ends names at a zero byte
    with pytest.raises(WorkError, match="member ''"):
        unpacked(bytes(archive))


def test_a_folder_outside_is_refused_too(unpacked):
    with pytest.raises(WorkError, match=r"member '../out' may lead out"):
        unpacked(tar_of(entry("../out", type=tarfile.DIRTYPE)))


def test_a_path_is_judged_before_and_after_it_is_placed(unpacked):
    with pytest.raises(WorkError, match=r"member '../a' may lead out"):
        unpacked(tar_of(entry("../a", b"x")), place=lambda path: "fine")
    with pytest.raises(WorkError, match="member 'a' may lead out"):
        unpacked(tar_of(entry("a", b"x")), place=lambda path: f"../{path}")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("to", ["/etc/hosts", "../archive", "good"])
def test_links_are_refused_wherever_they_lead(unpacked, kind, to):
    with pytest.raises(WorkError, match=f"member 'link' is a link to '{to}'"):
        unpacked(tar_of(entry("good", b"x"), entry("link", type=kind, linkname=to)))


def test_nothing_is_written_through_a_link(unpacked, tmp_path):
    (tmp_path / "outside").mkdir()
    link = entry("link", type=tarfile.SYMTYPE, linkname=str(tmp_path / "outside"))
    archive = tar_of(link, entry("link/file", b"x"))
    with pytest.raises(WorkError, match="is a link"):
        unpacked(archive)
    target = unpacked(archive, place=lambda path: None if path == "link" else path)
    assert contents(target) == {"link/file": b"x"}


def test_a_link_in_a_zip_is_refused(unpacked):
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(WorkError, match="member 'link' is a link or a device"):
        unpacked(zip_of([(link, b"../archive")]))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_are_refused(unpacked, kind):
    with pytest.raises(WorkError, match="member 'odd' is neither a file nor a folder"):
        unpacked(tar_of(entry("odd", type=kind)))


def test_what_python_refuses_is_refused(unpacked, monkeypatch):
    def refuse(info, folder):
        raise tarfile.SpecialFileError(info)

    monkeypatch.setattr(tarfile, "data_filter", refuse)
    with pytest.raises(WorkError, match=r"member 'a.txt' is refused by Python \("):
        unpacked(GOOD_TAR)


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), (".",)]
)
@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_two_members_are_written_to_one_place(unpacked, make, names):
    pairs = [(name, b"x") for name in names]
    archive = zip_of(pairs) if make is zip_of else tar_of(*(entry(*pair) for pair in pairs))
    with pytest.raises(WorkError, match=rf"member '{names[-1]}' would be written where another"):
        unpacked(archive)


def test_nor_does_place_send_two_to_one(unpacked):
    with pytest.raises(WorkError, match=r"member 'sub/b.bin' would be written where another"):
        unpacked(GOOD_TAR, place=lambda path: "same")


# Archives that are larger than they look.


@pytest.mark.parametrize("kind", TAR_KINDS)
def test_a_tar_bomb_is_stopped(unpacked, kind):
    archive = TAR_KINDS[kind](tar_of(entry("good", b"x"), entry("bomb", bytes(1_000_000))))
    with pytest.raises(WorkError, match="member 'bomb' has more bytes than are expected"):
        unpacked(archive, most_bytes=1_000_000)


@pytest.mark.parametrize("kind", ZIP_KINDS)
def test_a_zip_bomb_is_stopped(unpacked, kind):
    archive = zip_of([("good", b"x"), ("bomb", bytes(1_000_000))], ZIP_KINDS[kind])
    with pytest.raises(WorkError, match="member 'bomb' has more bytes than are expected"):
        unpacked(archive, most_bytes=1_000_000)


def test_a_bomb_is_counted_and_not_believed(unpacked):
    archive = zip_of([("bomb", bytes(1_000_000))])
    for signature, offset in ((LOCAL, 22), (CENTRAL, 24)):
        archive = with_field(archive, signature=signature, offset=offset, form="<L", value=5)
    with pytest.raises(WorkError, match="member 'bomb' has more bytes than are expected"):
        unpacked(archive, most_bytes=10)


@pytest.mark.parametrize("archive", [GOOD_TAR, GOOD_ZIP])
def test_members_and_bytes_may_be_as_many_as_expected(unpacked, archive):
    most = {"most_files": len(FILES), "most_bytes": sum(map(len, FILES.values()))}
    assert contents(unpacked(archive, **most)) == FILES


@pytest.mark.parametrize("archive", [GOOD_TAR, GOOD_ZIP])
@pytest.mark.parametrize("place", [str, lambda path: None])
def test_more_members_than_expected_are_refused(unpacked, archive, place):
    with pytest.raises(WorkError, match="member 'sub/deep/empty' is one more than are expected"):
        unpacked(archive, most_files=2, place=place)


def test_a_header_as_large_as_a_file_is_not_read(unpacked):
    archive = tar_of(entry("L", bytes(100_000), type=tarfile.GNUTYPE_LONGNAME), entry("a"))
    with pytest.raises(WorkError, match="a header of 100000 bytes"):
        unpacked(archive)


# Archives that are damaged.


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("lost", [1, 5, 400])
def test_a_compressed_tar_that_breaks_off_is_refused(unpacked, kind, lost):
    noise = os.urandom(2000)
    archive = TAR_KINDS[kind](tar_of(entry("a", noise)))
    with pytest.raises(WorkError, match=r"cannot read .*archive .*delete it and run again"):
        unpacked(archive[:-lost])


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_compressed_tar_with_wrong_bytes_is_refused(unpacked, kind):
    archive = bytearray(TAR_KINDS[kind](GOOD_TAR))
    archive[40:80] = b"\xff" * 40
    with pytest.raises(WorkError, match="cannot read"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("kept", [100, 600, 1024, 1100])
def test_a_tar_that_breaks_off_is_refused(unpacked, kept):
    """In a header, in a file, just behind a file, and in its second header."""
    archive = tar_of(entry("a", bytes(range(200))), entry("b", b"x"))
    with pytest.raises(WorkError, match=r"cannot read|neither tar nor zip"):
        unpacked(archive[:kept])


def test_a_tar_with_a_broken_header_does_not_end_there(unpacked):
    archive = bytearray(tar_of(entry("a", b"x"), entry("b", b"x")))
    archive[1024] ^= 1
    with pytest.raises(WorkError, match=r"cannot read .*bad checksum"):
        unpacked(bytes(archive))


def test_a_gzip_with_a_wrong_checksum_is_refused(unpacked):
    archive = bytearray(gzip.compress(GOOD_TAR))
    archive[-8] ^= 1
    with pytest.raises(WorkError, match=r"cannot read .*CRC check failed"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("kept", [20, 2000, -1, -30])
def test_a_zip_that_breaks_off_is_refused(unpacked, kept):
    with pytest.raises(WorkError, match=r"cannot read .*not a zip file"):
        unpacked(GOOD_ZIP[:kept])


def test_a_zip_with_a_wrong_byte_is_refused(unpacked):
    archive = bytearray(zip_of([("a", b"alpha")], zipfile.ZIP_STORED))
    archive[archive.index(b"alpha")] ^= 1
    with pytest.raises(WorkError, match=r"cannot read .*Bad CRC-32 for file 'a'"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("kind", ["deflated", "bzip2", "lzma"])
def test_a_zip_with_many_wrong_bytes_is_refused(unpacked, kind):
    archive = bytearray(zip_of([("a", FILES["sub/b.bin"])], ZIP_KINDS[kind]))
    archive[40:80] = b"\xff" * 40
    with pytest.raises(WorkError, match="cannot read"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("declared", [3, 7])
def test_a_zip_that_declares_another_size_is_refused(unpacked, compression, declared):
    archive = zip_of([("a", b"alpha")], compression)
    archive = with_field(archive, signature=CENTRAL, offset=24, form="<L", value=declared)
    with pytest.raises(WorkError, match=f"member 'a' has 5 bytes and is said to have {declared}"):
        unpacked(archive)


def test_an_encrypted_zip_is_refused(unpacked):
    archive = with_field(GOOD_ZIP, signature=CENTRAL, offset=8, form="<H", value=1)
    with pytest.raises(WorkError, match=r"member 'a.txt' is encrypted"):
        unpacked(archive)


def test_an_unknown_compression_is_refused(unpacked):
    archive = with_field(GOOD_ZIP, signature=CENTRAL, offset=10, form="<H", value=99)
    with pytest.raises(WorkError, match=r"cannot read .*compression method is not supported"):
        unpacked(archive)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", bytes(2000)])
def test_what_is_no_archive_is_shown(unpacked, content):
    with pytest.raises(WorkError, match=r"is neither tar nor zip, it begins with b'"):
        unpacked(content)


def test_a_compressed_file_is_no_tar(unpacked):
    with pytest.raises(WorkError, match="cannot read"):
        unpacked(gzip.compress(b"words" * 1000))


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(WorkError, match=r"cannot read .*nowhere .*No such file"):
        unpack(tmp_path / "nowhere", tmp_path / "target", **LIMITS)
    assert list(tmp_path.iterdir()) == []


# The target.


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_a_target_that_is_there_stays(unpacked, tmp_path, make):
    (tmp_path / "work").mkdir()
    getattr(tmp_path / "work" / "target", make)()
    with pytest.raises(WorkError, match="target is there already: delete it to unpack archive"):
        unpacked(GOOD_TAR)


def test_a_target_that_leads_nowhere_is_there(unpacked, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "target").symlink_to(tmp_path / "nowhere")
    with pytest.raises(WorkError, match="is there already"):
        unpacked(GOOD_TAR)


def test_a_disk_that_fails_is_not_taken_for_a_bad_archive(unpacked):
    with pytest.raises(WorkError, match=r"cannot write .*File name too long"):
        unpacked(GOOD_TAR, place=lambda path: "x" * 300)


def test_an_interrupted_run_leaves_nothing(unpacked, tmp_path):
    def interrupt(read):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpacked(GOOD_TAR, advance=interrupt)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["archive"]
