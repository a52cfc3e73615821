"""Verification mail: a service sends a code or a link to an address that somebody claims to be theirs.

Whoever gets hold of it is taken for the owner of the address, and by some services for a colleague of everybody in
its domain. So it is told to agents alone. It is known by saying what it is for, holding a code or a link, and being a
machine's: marked, or from an address that nobody reads. People tell of such mail, ask, or forward it; forms send
their words from an address that nobody reads, too, but name the person to answer.
"""

from __future__ import annotations

import re

from gateway.mail.nature import words
from gateway.mail.nature.automatic import other_reply_to, tells
from gateway.mail.nature.evidence import Evidence, Judgement, said
from gateway.mail.phrases import any_of
from gateway.model import Nature

_PURPOSE = any_of(
    r"(?:verification|confirmation|security|activation|authentication|access|2fa) (?:code|pin)",
    r"(?:log-?in|sign-?in|one-?time) (?:code|pin)|two-?factor",
    r"one-?time (?:password|passcode|link)|\botp\b|magic link|passcode|reset your password",
    r"(?:confirm|verify|validate|activate) (?:your|the|this) (?:new )?(?:e-?mail|address|account|identity|sign)",
    r"code (?:de |d'|à |a )(?:v[ée]rification|confirmation|s[ée]curit[ée]|validation|activation|connexion|acc[èe]s)",
    r"code (?:d'authentification|[àa] usage unique)|mot de passe (?:[àa] usage unique|temporaire|provisoire)",
    r"(?:confirme|v[ée]rifie|valide|active)[rz]? (?:votre|cette) (?:nouvelle )?(?:adresse|compte|inscription)",
    r"(?:confirme|v[ée]rifie|valide|active)[rz]? votre (?:courriel|e-?mail|identit)",
    r"lien de (?:connexion|confirmation|validation)|r[ée]initialise[rz]? votre mot de passe",
    r"(?:best[äa]tigungs|sicherheits|verifizierungs)code|c[óo]digo de (?:verificaci[óo]n|seguridad|acceso)",
    r"codice di (?:verifica|sicurezza|accesso)|c[óo]digo de verifica[çc][ãa]o|verificatiecode",
)
_CODE = re.compile(
    r"\b[0-9]{3}[ -]?[0-9]{3}\b|\b[0-9]{4,8}\b|\b(?=[a-z]{0,8}[0-9])[a-z0-9]{6,8}\b|\b[a-z0-9]{3}-[a-z0-9]{3}\b"
)
_READ = 5_000


def verification(e: Evidence) -> Judgement | None:
    robot = words.ROBOT_ADDRESS.match(e.author.address) or e.automatic() or e.no_sender()
    if not robot or e.answered or e.head.has("list-id") or other_reply_to(e):
        return None
    purpose = _PURPOSE.search(e.title) or _PURPOSE.search(e.opening)
    if purpose is None or tells(e):
        return None
    if _CODE.search(e.opening) or _CODE.search(e.title) or words.LINK.search(e.text[:_READ]):
        return Judgement(Nature.VERIFICATION, f"it says {said(purpose)}, with a code or a link, and is a machine's")
    return None
