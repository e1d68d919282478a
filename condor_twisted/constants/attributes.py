"""ClassAd attribute names, spelled as HTCondor spells them.

Source: ``src/condor_includes/condor_attributes.h``.
"""

from __future__ import annotations

from typing import Final

MY_TYPE: Final = "MyType"
TARGET_TYPE: Final = "TargetType"
NAME: Final = "Name"
MACHINE: Final = "Machine"
MY_ADDRESS: Final = "MyAddress"
ADDRESS_V1: Final = "AddressV1"
REQUIREMENTS: Final = "Requirements"
PROJECTION: Final = "Projection"
LIMIT_RESULTS: Final = "LimitResults"
LOCATION_QUERY: Final = "LocationQuery"
SEND_PRIVATE_ATTRIBUTES: Final = "SendPrivateAttributes"
LAST_HEARD_FROM: Final = "LastHeardFrom"
CLASSAD_LIFETIME: Final = "ClassAdLifetime"
AUTHENTICATED_IDENTITY: Final = "AuthenticatedIdentity"
AUTHENTICATION_METHOD: Final = "AuthenticationMethod"
UPDATE_SEQUENCE_NUMBER: Final = "UpdateSequenceNumber"
DAEMON_START_TIME: Final = "DaemonStartTime"
DAEMON_LAST_RECONFIG_TIME: Final = "DaemonLastReconfigTime"
UPDATES_TOTAL: Final = "UpdatesTotal"
UPDATES_SEQUENCED: Final = "UpdatesSequenced"
UPDATES_LOST: Final = "UpdatesLost"
UPDATES_HISTORY: Final = "UpdatesHistory"
MY_CURRENT_TIME: Final = "MyCurrentTime"
CONDOR_VERSION: Final = "CondorVersion"
CONDOR_PLATFORM: Final = "CondorPlatform"

# What a collector keys, counts and answers with.
SCHEDD_NAME: Final = "ScheddName"
SCHEDD_IP_ADDR: Final = "ScheddIpAddr"
STARTD_IP_ADDR: Final = "StartdIpAddr"
MASTER_IP_ADDR: Final = "MasterIpAddr"
NEGOTIATOR_IP_ADDR: Final = "NegotiatorIpAddr"
COLLECTOR_IP_ADDR: Final = "CollectorIpAddr"
SLOT_ID: Final = "SlotID"
DYNAMIC_SLOT: Final = "DynamicSlot"
HAS_START_DAEMON_AD: Final = "HasStartDaemonAd"
HASH_NAME: Final = "HashName"
OWNER: Final = "Owner"
GRIDMANAGER_SELECTION_VALUE: Final = "GridmanagerSelectionValue"
NEGOTIATOR_NAME: Final = "NegotiatorName"
STATISTICS_TO_PUBLISH: Final = "STATISTICS_TO_PUBLISH"
ABSENT: Final = "Absent"
OFFLINE: Final = "Offline"
STATE: Final = "State"
JOB_UNIVERSE: Final = "JobUniverse"
RUNNING_JOBS: Final = "RunningJobs"
IDLE_JOBS: Final = "IdleJobs"

# What the token services speak of.
USER: Final = "User"
CLIENT_ID: Final = "ClientId"
REQUEST_ID: Final = "RequestId"
TOKEN: Final = "Token"  # noqa: S105 -- a name
TOKEN_LIFETIME: Final = "TokenLifetime"  # noqa: S105 -- a name
LIMIT_AUTHORIZATION: Final = "LimitAuthorization"
REQUESTED_KEY: Final = "RequestedKey"
REQUESTED_IDENTITY: Final = "RequestedIdentity"
PEER_LOCATION: Final = "PeerLocation"
SUBNET: Final = "Subnet"
LIFETIME: Final = "Lifetime"
ERROR_CODE: Final = "ErrorCode"
ERROR_STRING: Final = "ErrorString"
TOKEN_EXPIRATION_TIME: Final = "TokenExpirationTime"  # noqa: S105 -- a name

#: Attributes that never leave towards a peer for whom they are not meant, in lower
#: case. Names that begin with ``PRIVATE_PREFIX`` (lower case) are private as well.
PRIVATE_NAMES: Final = frozenset(
    {
        "capability",
        "childclaimids",
        "claimid",
        "claimidlist",
        "claimids",
        "transferkey",
    }
)
PRIVATE_PREFIX: Final = "_condor_priv"
#: By which administrators of the collector get at the daemon.
REMOTE_ADMIN_CAPABILITY: Final = "_condor_PrivRemoteAdminCapability"


def is_private(name: str) -> bool:
    """Whether an attribute of this name is private, in any case of letters.

    Source: ``src/condor_utils/classad_oldnew.cpp: ClassAdAttributeIsPrivateAny``.
    """
    lowered = name.lower()
    return lowered in PRIVATE_NAMES or lowered.startswith(PRIVATE_PREFIX)
