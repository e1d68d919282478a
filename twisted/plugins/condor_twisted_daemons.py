"""The daemons that ``twistd`` can run; nothing of them is imported before it is run."""

from twisted.application.service import ServiceMaker

condor_collector = ServiceMaker(
    "HTCondor collector",
    "condor_twisted.daemons.collector.tap",
    "An HTCondor collector.",
    "condor-collector",
)
