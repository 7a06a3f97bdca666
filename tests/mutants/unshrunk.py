"""A pytest plugin for mutants: that hypothesis finds a failure is enough, the smallest one is not wanted."""

from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate], database=None, deadline=None)
settings.load_profile("unshrunk")
