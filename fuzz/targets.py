"""All targets, by name."""

from fuzz import images, models, recordings, runs, streams, texts

TARGETS = {
    target.name: target
    for module in (images, recordings, texts, models, runs, streams)
    for target in module.TARGETS
}
