"""The daemons that ``twistd`` can run; nothing of them is imported before it is run."""

from twisted.application.service import ServiceMaker

condor_collector = ServiceMaker(
    "HTCondor collector",
    "condor_twisted.daemons.collector.tap",
    "An HTCondor collector.",
    "condor-collector",
)
condor_shared_port = ServiceMaker(
    "HTCondor shared port",
    "condor_twisted.daemons.shared_port.tap",
    "One port for all HTCondor daemons of a host.",
    "condor-shared-port",
)
condor_skeleton = ServiceMaker(
    "HTCondor skeleton",
    "condor_twisted.daemons.skeleton.tap",
    "The skeleton of an HTCondor daemon, to be copied.",
    "condor-skeleton",
)
condor_daemon = ServiceMaker(
    "HTCondor daemon",
    "condor_twisted.daemoncore.tap",
    "An HTCondor daemon of your own: package.module.ClassName.",
    "condor-daemon",
)
