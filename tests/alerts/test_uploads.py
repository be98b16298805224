"""Files are what their bytes are, and pictures are painted anew."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from alerts.attachment_store import AttachmentStore
from alerts.upload import MAX_SIDE_PX, MAX_UPLOAD_BYTES, RefusedUpload, UploadFault, read_upload


def picture(form: str = "JPEG", *, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, "red").save(made, form, **options)  # type: ignore[arg-type]
    return made.getvalue()


def test_a_picture_loses_what_the_camera_and_the_sender_hid_in_it() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at 30.27, 120.15 by Mrs Wang"
    hostile = picture(exif=exif) + b"<?php system($_GET['x']); ?><script>alert(1)</script>"
    assert b"Mrs Wang" in hostile
    kept = read_upload(hostile, name="../../etc/passwd.php")
    assert (kept.media_type, kept.name) == ("image/jpeg", "passwd.jpg")
    assert not any(hidden in kept.content for hidden in (b"Mrs Wang", b"php", b"script"))
    with Image.open(io.BytesIO(kept.content)) as image:
        assert (image.size, dict(image.getexif())) == ((40, 30), {})


def test_a_picture_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(read_upload(picture(exif=exif), name="a").content)) as image:
        assert image.size == (30, 40)


@pytest.mark.parametrize(
    ("form", "mode", "media_type"),
    [("PNG", "RGB", "image/jpeg"), ("PNG", "RGBA", "image/png"), ("WEBP", "RGB", "image/jpeg")],
)
def test_pictures_of_the_usual_kinds_are_taken(form: str, mode: str, media_type: str) -> None:
    assert read_upload(picture(form, mode=mode), name="照片 1.png").media_type == media_type


def test_a_large_picture_is_made_as_large_as_people_need() -> None:
    kept = read_upload(picture(size=(6000, 4000)), name="a.jpg")
    with Image.open(io.BytesIO(kept.content)) as image:
        assert max(image.size) == MAX_SIDE_PX


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", UploadFault.EMPTY),
        (b"MZ\x90\x00 a program called photo.jpg", UploadFault.UNKNOWN_TYPE),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", UploadFault.UNKNOWN_TYPE),
        (b"<html><script>alert(1)</script>", UploadFault.UNKNOWN_TYPE),
        (b"GIF89a" + bytes(40), UploadFault.UNKNOWN_TYPE),
        (b"\xff\xd8\xff and nothing of a picture", UploadFault.UNREADABLE),
        (picture()[:200], UploadFault.UNREADABLE),
        (b"\xff\xd8\xff" + bytes(MAX_UPLOAD_BYTES), UploadFault.TOO_LARGE),
        # Small as a file, and eight hundred megabytes when it is unpacked.
        (picture("PNG", size=(20_000, 20_000), mode="1"), UploadFault.TOO_MANY_PIXELS),
    ],
    ids=["empty", "program", "svg", "html", "gif", "no picture", "half a picture", "too large", "bomb"],
)
def test_what_is_not_what_it_claims_is_refused(content: bytes, fault: UploadFault) -> None:
    with pytest.raises(RefusedUpload) as refused:
        read_upload(content, name="photo.jpg")
    assert refused.value.fault is fault


def test_documents_are_taken_only_where_they_are_wanted() -> None:
    assert read_upload(b"%PDF-1.7 ...", name="报价.exe").name == "报价.pdf"
    with pytest.raises(RefusedUpload):
        read_upload(b"%PDF-1.7 ...", name="a.pdf", takes_documents=False)


def test_a_file_is_kept_by_its_hash_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    store = AttachmentStore(tmp_path)
    digest = store.keep(b"a photo")
    assert (digest, store.keep(b"a photo")) == (hashlib.sha256(b"a photo").hexdigest(), digest)
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"a photo"]
    assert store.path(digest).stat().st_mode & 0o077 == 0
