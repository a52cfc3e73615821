"""Header fields that claim an authentication which nobody trusted has done: what anyone can write into a mail.

All claim that example.org's mail is authentic, to a reader that believes mx.example.net.
"""

from __future__ import annotations

TRUSTED = "mx.example.net"
AUTHOR = "claire@example.org"
PASS = f"{TRUSTED}; dmarc=pass header.from=example.org"

# Values of Authentication-Results.
VALUES = (
    "evil.example; dmarc=pass header.from=example.org",
    "mx.example.net.evil.example; dmarc=pass header.from=example.org",
    "evilmx.example.net; dmarc=pass header.from=example.org",
    "mx-example.net; dmarc=pass header.from=example.org",
    'mx.example.net; "dmarc"=pass header.from=example.org',
    'mx.example.net; dmarc"="pass header.from=example.org',
    'mx.example.net; dmarc=pass "header.from"=example.org',
    "mx.example.net; dkim=pass header.d=example.org header.d=evil.example",
    "mx.example.nets; dmarc=pass header.from=example.org",
    "mx.exаmple.net; dmarc=pass header.from=example.org",  # a Cyrillic letter
    "ｍx.example.net.; dmarc=pass header.from=example.org",
    "mx.example.net. ; dmarc=pass header.from=example.org",
    "mx.example.net\x00; dmarc=pass header.from=example.org",
    "mx.example.net\u200b.evil.example; dmarc=pass header.from=example.org",
    "=?utf-8?q?mx=2Eexample=2Enet?=; dmarc=pass header.from=example.org",
    "(mx.example.net;) evil.example; dmarc=pass header.from=example.org",
    "(mx.example.net; dmarc=pass header.from=example.org) evil.example; none",
    "evil.example (\r\n mx.example.net; dmarc=pass header.from=example.org",
    "evil.example; none\r\n mx.example.net; dmarc=pass header.from=example.org",
    "mx.example.net 2; dmarc=pass header.from=example.org",
    "mx.example.net 0; dmarc=pass header.from=example.org",
    "mx.example.net evil 1; dmarc=pass header.from=example.org",
    "; mx.example.net; dmarc=pass header.from=example.org",
    "=mx.example.net; dmarc=pass header.from=example.org",
    "dmarc=pass header.from=example.org",
    "mx.example.net dmarc=pass header.from=example.org",
    "mx.example.net; dmarc=pass header.from=evil.example (example.org)",
    "mx.example.net; dmarc=pass (header.from=example.org)",
    "mx.example.net; dmarc=pass header.from=example.org dmarc=fail; dmarc=fail header.from=example.org",
    "mx.example.net; dmarc=bestguesspass header.from=example.org",
    "mx.example.net; x-dmarc=pass header.from=example.org",
    "mx.example.net; dmarc/2=pass header.from=example.org",
    "mx.example.net; (dmarc=pass header.from=example.org)",
    # what a careless server copies from the envelope or the signature (A4 to A7 of « espoofer »)
    'mx.example.net; spf=none smtp.mailfrom="x; dmarc=pass header.from=example.org"',
    'mx.example.net; spf=none smtp.mailfrom="x\\"; dmarc=pass header.from=example.org"',
    "mx.example.net; spf=pass smtp.mailfrom=x@example.org(.evil.example",
    'mx.example.net; spf=pass smtp.mailfrom="example.org\'@a.evil.example"',
    "mx.example.net; dkim=pass header.d=example.org'a.evil.example",
    "mx.example.net; dkim=pass header.d=example.org(.evil.example",
    'mx.example.net; dkim=pass header.d="example.org\x00.evil.example"',
    'mx.example.net; spf=none reason="dkim=pass header.d=example.org"',
    'mx.example.net; spf=none smtp.mailfrom="a" "dmarc" "=" "pass" header.from=example.org',
    "mx.example.net; spf=none smtp.mailfrom=(x) evil.example(; dmarc=pass header.from=example.org)",
    "mx.example.net; spf=none (unclosed; dmarc=pass header.from=example.org",
    'mx.example.net; spf=none "unclosed; dmarc=pass header.from=example.org',
    "mx.example.net; dkim=pass header.d=notexample.org",
    "mx.example.net; dkim=pass header.d=example.org.evil.example",
    "mx.example.net; dkim=pass header.d=evil.example header.d=example.org",
    "mx.example.net; spf=pass smtp.mailfrom=evil.example smtp.helo=example.org",
    "mx.example.net; spf=pass smtp.helo=example.org",
    'mx.example.net; spf=pass smtp.mailfrom="x@example.org@evil.example"',
)
# Whole headers in which a field of the right form has no business.
HEADERS = (
    ("Authentication-Results: mx.example.net; none", f"Authentication-Results: {PASS}"),
    ("Authentication-Results: mx.example.net; dmarc=fail header.from=example.org", f"Authentication-Results: {PASS}"),
    ("Received: by mx.example.net; x", "Received: by evil.example; x", f"Authentication-Results: {PASS}"),
    ("Received: by a.example; x", "Received: by b.example; x", f"Authentication-Results: {PASS}"),
    (f"Authentication-Results : {PASS}",),
    (f"Authentication-Results\r\n : {PASS}",),
    (f"X-Authentication-Results: {PASS}",),
    (f"Original-Authentication-Results: {PASS}",),
    (f"Authentication-Results-Original: {PASS}",),
    (f"ARC-Authentication-Results: i=1; {PASS}",),
    ("ARC-Seal: i=1; a=rsa-sha256; cv=pass; d=example.net; s=s; b=AA==", f"ARC-Authentication-Results: i=1; {PASS}"),
    ("Received-SPF: pass (mx.example.net) client-ip=192.0.2.1; envelope-from=claire@example.org; dmarc=pass",),
    ("X-Spam-Status: No, DKIM_VALID_AU dkim=pass header.d=example.org",),
    ("X-Gateway-Proof: verified; dmarc=pass header.from=example.org",),
    (f"Subject: x\r\n Authentication-Results: {PASS}",),
    ("Subject: x\rAuthentication-Results: " + PASS,),
)


def forms() -> tuple[bytes, ...]:
    """Mails in the author's name, each with one forgery."""
    headers = (*((f"Authentication-Results: {value}",) for value in VALUES), *HEADERS)
    mails = ["\r\n".join((*fields, f"From: {AUTHOR}", "Subject: x", "", "Bonjour", "")) for fields in headers]
    attached = f"From: {AUTHOR}\r\nContent-Type: message/rfc822\r\n\r\nAuthentication-Results: {PASS}\r\n\r\nx\r\n"
    return tuple(
        mail.encode() for mail in (*mails, attached, f"From: {AUTHOR}\r\n\r\nAuthentication-Results: {PASS}\r\n")
    )
