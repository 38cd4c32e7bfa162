"""registry.publish: what is removed is gone in one step, and what it leaves behind."""

import pytest

from registry.publish import UNFINISHED, remove


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, in a folder of its own."""
    made = tmp_path / "all" / "one"
    made.mkdir(parents=True)
    (made / "content").write_text("content")
    return made


@pytest.fixture
def stuck(monkeypatch):
    """Have the content of folders stay, as on a disk that fails."""

    def fails(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("registry.publish.shutil.rmtree", fails)


@pytest.mark.parametrize("lenient", [False, True])
def test_folders_files_and_links_go_and_nothing_stays_hidden(folder, lenient):
    link = folder.with_name("link")
    link.symlink_to(folder.parent.parent / "mine")
    (folder.parent.parent / "mine").mkdir()
    for path in (folder / "content", link, folder, folder):  # the last is not there
        remove(path, lenient=lenient)
    assert list(folder.parent.iterdir()) == []
    assert (folder.parent.parent / "mine").is_dir()


@pytest.mark.parametrize("lenient", [False, True])
def test_it_loses_its_name_first(folder, stuck, lenient):
    if lenient:
        remove(folder, lenient=True)
    else:
        with pytest.raises(PermissionError):
            remove(folder)
    (left,) = folder.parent.iterdir()
    assert left.name.startswith(UNFINISHED)
    assert (left / "content").is_file()


def test_what_may_not_be_renamed_stays_as_it_is(folder, monkeypatch):
    def refused(path, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.rename", refused)
    with pytest.raises(PermissionError):
        remove(folder, lenient=True)
    assert (folder / "content").is_file()
