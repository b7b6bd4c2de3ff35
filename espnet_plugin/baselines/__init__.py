"""Cheaper ways to a small model that EncRL is compared with, one module each.

A new one is a module here and a configuration in ``conf/baselines``. The module has

* ``Options``, a frozen dataclass with the defaults of what the configuration may say
  under ``options``; with a property ``trains`` if it may train nothing;
* ``train(job, options)``, which leaves finished model folders and returns their paths;
  see :class:`espnet_plugin.baselines.job.BaselineJob`.
"""
