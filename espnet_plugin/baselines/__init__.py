"""Baselines: cheaper ways to small models with which EncRL is compared.

Each method is a module here with a configuration in ``conf/baselines``. The module has

* ``Options``, a frozen dataclass with the values and defaults of ``options`` in the
  configuration; it has a property ``trains`` if the method may work without training;
* ``train(job, options)``, which writes finished model folders and returns their paths;
  see :class:`espnet_plugin.baselines.job.BaselineJob`;
* ``WIDTHS = True`` if it makes models with a width other than the reference's.
"""
