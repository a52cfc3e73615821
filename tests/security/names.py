"""Names of files that would go elsewhere, or pass for what they aren't."""

from __future__ import annotations

from itertools import islice, product

_STEMS = (
    *("facture.pdf", "passwd", "htaccess", "CON", "con.txt", "NUL.tar.gz", "com1", "LPT9.pdf", "aux", "x" * 300),
    *("é" * 300, "𝔣𝔞𝔠𝔱𝔲𝔯𝔢", "a:b", "a\x00b", "a\nb", "-rf", "~root", "", " ", "..."),
)
_BEFORE = (
    *("", "../", "../../etc/", "..\\..\\", "/etc/", "C:\\", "C:", "\\\\host\\share\\", "./", "."),
    *("\u200b.", "\u2024\u2024/", "\u2025/", "\uff0e\uff0e\uff0f", "%2e%2e%2f", "file:///", "\ufeff.", " "),
)
_AFTER = (
    *("", ".exe", ".pdf.exe", "\u202efdp.exe", "\u202e\u2066gpj.scr", ".pdf" + " " * 200 + ".exe", ". ", "."),
    *(
        ".pdf\u3164\u3164\u3164.exe",
        ".pdf\u2800\u2800.js",
        "::$DATA",
        ".\u200bexe",
        "\u0000.pdf",
        "\r\nX: y",
        '"; x="',
    ),
    *(".html", ".svg", ".lnk", "/", "\\"),
)
NAMES: tuple[str, ...] = tuple(
    islice((f"{before}{stem}{after}" for after, before, stem in product(_AFTER, _BEFORE, _STEMS)), 0, None, 14)
)[:500]
TYPES: tuple[str, ...] = (
    *("text/html", "image/svg+xml", "application/javascript", "text/xml", "application/xhtml+xml", "text/plain"),
    *("application/pdf", "image/png", "image/jpeg", "application/zip", "application/x-msdownload", "text/csv"),
    *("application/octet-stream", "application/x-sh", "application/x-ms-shortcut", "application/msword", "text/rtf"),
    *("message/rfc822", "application/ics", "text/calendar", "application/pkcs7-mime", "video/mp4", "audio/mpeg"),
    *("application/x-iso9660-image", "application/java-archive", "application/hta", "x/y", "", "text", "a/b/c"),
)
