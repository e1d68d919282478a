
from twisted.application.service import ServiceMaker

probe = ServiceMaker("probe", "probe_tap", "A daemon of the tests.", "condor-probe")
