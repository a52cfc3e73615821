"""Which packs a configuration asks for."""

from __future__ import annotations

from gateway.config.settings import StoreSettings
from gateway.config.values import Bucket as Place
from gateway.store.bucket import Bucket
from gateway.store.folder import Folder
from gateway.store.packs import Packs


def packs_for(settings: StoreSettings) -> Packs:
    """Nothing is asked of the place yet.

    Raises:
        ConfigError: a package for it is missing.
    """
    return Bucket(settings.raw, settings.s3) if isinstance(settings.raw, Place) else Folder(settings.raw)
