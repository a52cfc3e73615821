"""HTML that would run something, or fetch something, in a browser that were shown it: 280 ways."""

from __future__ import annotations

from collections.abc import Iterator

RUN = "window.fired=(window.fired||0)+1"
AWAY = "http://127.0.0.1:9/pixel"
_PLAIN = (
    f"<script>{RUN}</script>",
    f"<SCRIPT SRC={AWAY}></SCRIPT>",
    f"<img src=x onerror='{RUN}'>",
    f"<img/src=x/onerror={RUN}>",
    f"<svg onload='{RUN}'>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin='{RUN}' attributeName=x dur=1s>",
    f"<svg><image href='{AWAY}' /></svg>",
    f"<svg><use href='{AWAY}#x' /></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror='{RUN}'></style></mglyph></table></mtext></math>",
    f"<body onload='{RUN}' background='{AWAY}'>",
    f"<details open ontoggle='{RUN}'><summary>x</summary></details>",
    f"<input autofocus onfocus='{RUN}'>",
    f"<input type=image src='{AWAY}'>",
    f"<video poster='{AWAY}' src='{AWAY}' onerror='{RUN}'></video>",
    f"<audio src='{AWAY}' autoplay onerror='{RUN}'></audio>",
    f"<video><source src=x onerror='{RUN}'></video>",
    f"<iframe src='{AWAY}'></iframe>",
    f"<iframe srcdoc='<script>parent.{RUN.removeprefix('window.')}</script>'></iframe>",
    "<iframe src='javascript:parent.fired=1'></iframe>",
    f"<object data='{AWAY}'></object>",
    f"<embed src='{AWAY}'>",
    f"<link rel=stylesheet href='{AWAY}'>",
    f"<link rel=prefetch href='{AWAY}'><link rel=icon href='{AWAY}'>",
    f"<style>@import '{AWAY}';</style>",
    f"<style>body{{background:url({AWAY})}}</style>",
    f"<style>@font-face{{font-family:x;src:url({AWAY})}}p{{font-family:x}}</style><p>x</p>",
    f"<p style='background-image:url({AWAY})'>x</p>",
    f"<div style='list-style:url({AWAY});display:list-item'>x</div>",
    f"<table background='{AWAY}'><tr><td>x</td></tr></table>",
    f"<img src='{AWAY}'>",
    f"<img srcset='{AWAY} 1x'>",
    f"<picture><source srcset='{AWAY}'><img></picture>",
    f"<img src='cid:a' lowsrc='{AWAY}' dynsrc='{AWAY}' src='{AWAY}'>",
    f"<base href='{AWAY}/'><img src=y>",
    f"<form action='{AWAY}'><button autofocus onfocus='{RUN}'>x</button></form>",
    f"<select autofocus onfocus='{RUN}'></select>",
    f"<textarea autofocus onfocus='{RUN}'></textarea>",
    f"<marquee onstart='{RUN}'>x</marquee>",
    f"<a id=x href='javascript:{RUN}' onfocus='{RUN}' autofocus tabindex=1>x</a>",
)
# What a cleaner that reads otherwise than a browser lets through.
_AROUND = (
    "{}",
    "<p title='</p>'>{}</p>",
    "<!-- --!>{}<!-- -->",
    "<noscript><p title='</noscript>{}'></noscript>",
    "<title><a title='</title>{}'></title>",
    "<svg></p><style><a id='</style>{}'>",
    "<math><annotation-xml encoding='text/html'>{}</annotation-xml></math>",
)


def vectors() -> Iterator[str]:
    for around in _AROUND:
        for plain in _PLAIN:
            yield around.format(plain.replace("'", '"') if "'{}'" in around or "{}'" in around else plain)
