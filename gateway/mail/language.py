"""Words of French and English: what is forgiven in them, and in which of the two a person writes. Pure.

A language is known by the small words that every sentence needs. Neighbouring languages are counted too, so that
a Spanish mail isn't taken for a French one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from gateway.model import Language

_MOST_TEXT = 5_000  # characters
_LEAST_WEIGHT = 2.0  # about two words that no other language has
_LEAST_SHARE = 0.12  # of the words: less is another language, or names and figures
_MARGIN = 2  # times as much as the next language
_ENDINGS = ("ed", "er", "ing")
_SHORTEST_STEM = 4  # letters
_OURS: tuple[Language, ...] = ("fr", "en")
_WORD = re.compile(r"[^\W\d_]+")
_APOSTROPHE = re.compile("[’‘ʼ`´′]")
_ACCENT = re.compile("[\u0300-\u034e\u0350-\u036f]+")
_BEYOND = re.compile("[\u0483-\u1fff\u20d0-\U0001e94a]")  # where what is written upon a letter may be another sign
# Without accents, as `plain` leaves them. A word may stand under several languages: it counts the less for each.
_FUNCTION_WORDS = {
    "fr": """
        le la les un une des du de au aux et ou mais donc car que qui quoi dont ce cet cette ces ca je j tu il
        elle on nous vous ils elles me te se mon ma mes ton ta tes son sa ses notre votre nos vos leur leurs est
        sont suis etes sommes etait ete etre ai avons avez ont avait avoir fait faire peut puis pouvez pourriez
        peux dois doit faut pas ne plus tres bien pour par sur sous dans avec sans chez vers depuis entre si comme
        quand comment pourquoi alors aussi encore toujours meme tout tous toute toutes en y qu bonjour bonsoir
        madame monsieur merci cordialement salutations journee sincerement respectueusement svp
    """,
    "en": """
        the a an and or but of to in on at by for from with without about into is are was were be been being am
        has have had do does did don can cannot could would should will may might must not no yes i you he she it
        we they me him her us them my your his its our their this that these those there here what which who when
        where why how if then than so as because still just any some all please thank thanks hello hi dear sir
        madam regards sincerely yours best kind faithfully
    """,
    "es": """
        el la los las un una unos unas de del al y o pero que quien como cuando donde por para con sin sobre en es
        son esta estan estoy soy ser estar ha he han tengo tiene no si mi mis tu su sus nuestro usted ustedes yo
        me te se le les lo este esto ese muy mas ya puedo puede quisiera desde hasta hola buenos buenas dias
        tardes gracias saludos cordialmente estimado estimada atentamente favor
    """,
    "it": """
        il lo la i gli le un una uno di del della dei delle al alla da dal in con su per tra e o ma che chi non si
        mi ti ci vi sono ho ha hanno abbiamo essere avere mio mia vostro sua suo questo questa quello quando come
        dove perche anche piu molto vorrei posso se nel nella stato buongiorno salve grazie saluti cordiali
        distinti gentile
    """,
    "de": """
        der die das den dem des ein eine einen einem einer und oder aber nicht kein keine ich du er sie es wir ihr
        mich mir mein meine meinen ihre ihren ihnen ist sind war waren bin habe haben hat hatte wird werden wurde
        kann konnen mochte zu zum zur in im an am auf aus bei mit nach von vom fur uber durch ohne wie was wann wo
        warum dass wenn noch auch nur sehr so bitte danke hallo guten tag geehrte herren freundlichen grussen
    """,
    "nl": """
        de het een en of maar dat die dit deze ik je u hij zij wij we jullie mijn uw zijn haar ons onze is was ben
        bent heb heeft hebben had kan kunt kunnen zal wordt worden niet geen te in op aan van voor met naar bij om
        uit over door als wat waar wanneer hoe waarom ook nog wel er beste geachte hallo goedemorgen dank bedankt
        groeten vriendelijke alvast
    """,
    "pt": """
        o a os as um uma de do da dos das no na nos nas ao e ou mas que quem como quando onde por para com sem
        sobre em sao esta estou sou ser ter tem tenho nao sim meu minha meus seu sua eu ele ela voce me se isso
        este muito mais ja posso pode gostaria foi ainda ola bom dia boa tarde obrigado obrigada cumprimentos
        atenciosamente prezado
    """,
}


def _weights() -> dict[str, dict[str, float]]:
    """For each word, how much it counts for each of its languages."""
    languages: dict[str, list[str]] = {}
    for name, words in _FUNCTION_WORDS.items():
        for word in words.split():
            languages.setdefault(word, []).append(name)
    return {word: dict.fromkeys(names, 1 / len(names)) for word, names in languages.items()}


_WEIGHTS = _weights()
FUNCTION_WORDS = frozenset(f"{_FUNCTION_WORDS['fr']} {_FUNCTION_WORDS['en']}".split())  # French and English


def plain(text: str) -> str:
    """Lower case without accents; one kind of apostrophe; ordinary figures, letters and spaces."""
    if text.isascii():
        return _APOSTROPHE.sub("'", text).lower()
    decomposed = _ACCENT.sub("", unicodedata.normalize("NFKD", _APOSTROPHE.sub("'", text)))
    if _BEYOND.search(decomposed):
        decomposed = "".join(c for c in decomposed if not unicodedata.combining(c))
    return decomposed.casefold()


@lru_cache(maxsize=4096)  # of a few hundred words each mail repeats most
def stem(word: str) -> str:
    """A plain word without the endings of plurals, feminines and common forms of verbs, where enough remains."""
    if not word.isalpha():
        return word
    if word.endswith(("s", "x")):
        word = _without(word, 1)
    ending = next((ending for ending in _ENDINGS if word.endswith(ending)), "")
    word = _without(word, len(ending))
    while word.endswith("e") and len(word) > _SHORTEST_STEM:
        word = word[:-1]
    if word[-1:] == word[-2:-1]:
        word = _without(word, 1)
    return word[:-1] + "i" if word.endswith("y") else word


def _without(word: str, letters: int) -> str:
    return word[: len(word) - letters] if len(word) - letters >= _SHORTEST_STEM else word


def language(text: str) -> Language:
    """ "fr", "en", or "" where it can't be told: too little text, another language, or two of them."""
    words = Counter(_WORD.findall(plain(text[:_MOST_TEXT])))
    scores = dict.fromkeys(_FUNCTION_WORDS, 0.0)
    for word in sorted(words.keys() & _WEIGHTS.keys()):  # in one order: sums of fractions depend on it
        for name, weight in _WEIGHTS[word].items():
            scores[name] += weight * words[word]
    best, next_ = sorted(scores, key=lambda name: -scores[name])[:2]
    enough = scores[best] >= max(_LEAST_WEIGHT, _LEAST_SHARE * words.total())
    sure = enough and scores[best] >= _MARGIN * scores[next_]
    return next((ours for ours in _OURS if sure and ours == best), "")
