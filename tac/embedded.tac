# Two collectors and a web server in one process: nothing here is global.
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.web.resource import NoResource
from twisted.web.server import Site

from condor_twisted.daemoncore.configuration.reading import (
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.daemons.collector import Collector

application = Application("two-pools")
for port in (19618, 19619):
    settings = read_configuration(ConfigurationRequest("COLLECTOR")).settings
    Collector(settings, port=port).setServiceParent(application)

endpoint = serverFromString(reactor, "tcp:19680:interface=127.0.0.1")
StreamServerEndpointService(endpoint, Site(NoResource())).setServiceParent(application)
