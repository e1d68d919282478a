"""The command line: ``condor-twisted status``, ``condor-twisted advertise``, ..."""
