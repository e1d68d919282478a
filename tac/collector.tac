# A collector as `twistd -ny tac/collector.tac`, configured as CONDOR_CONFIG says,
# else with the embedded defaults on port 9618.
from twisted.application.service import Application

from condor_twisted.daemoncore.configuration.reading import (
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.daemons.collector import Collector

request = ConfigurationRequest("COLLECTOR")
collector = Collector(
    read_configuration(request).settings,
    load_settings=lambda: read_configuration(request).settings,
)
collector.own_process()

application = Application("condor-collector")
collector.setServiceParent(application)
