
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.options import DaemonOptions, make_service


class Probe(Daemon):
    subsystem = "PROBE"


class Options(DaemonOptions):
    subsystem = "PROBE"


def makeService(options):
    return make_service(Probe, options)
