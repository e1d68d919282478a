"""Commands by name: those of every HTCondor daemon, for people who type them.

`condor_twisted.constants.commands.Command` has the commands that this package serves or
sends. The rest of HTCondor's names is here, so that a tool can ask a schedd or a startd
about one of theirs.

Source: ``src/condor_includes/condor_commands.h`` of HTCondor 25.14,
``src/condor_utils/command_strings.cpp: getCommandNum, getSampleCommand``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission

__all__ = ["LEVEL_COMMANDS", "OTHER_COMMANDS", "find_command"]

#: The command with which one asks about a level; some levels have none.
LEVEL_COMMANDS: Final[dict[Permission, Command]] = {
    Permission.ALLOW: Command.DC_NOP,
    Permission.READ: Command.DC_NOP_READ,
    Permission.WRITE: Command.DC_NOP_WRITE,
    Permission.NEGOTIATOR: Command.DC_NOP_NEGOTIATOR,
    Permission.ADMINISTRATOR: Command.DC_NOP_ADMINISTRATOR,
    Permission.CONFIG: Command.DC_NOP_CONFIG,
    Permission.DAEMON: Command.DC_NOP_DAEMON,
    Permission.ADVERTISE_STARTD: Command.DC_NOP_ADVERTISE_STARTD,
    Permission.ADVERTISE_SCHEDD: Command.DC_NOP_ADVERTISE_SCHEDD,
    Permission.ADVERTISE_MASTER: Command.DC_NOP_ADVERTISE_MASTER,
}

#: Numbers of other daemons' commands; one number may have several names.
OTHER_COMMANDS: Final[dict[str, int]] = {
    "CONTINUE_CLAIM": 401,
    "SUSPEND_CLAIM": 402,
    "DEACTIVATE_CLAIM": 403,
    "DEACTIVATE_CLAIM_FORCIBLY": 404,
    "LOCAL_STATUS": 405,
    "PERMISSION": 407,
    "DEACTIVATE_CLAIM_JOB_DONE": 413,
    "NEGOTIATE": 416,
    "SEND_JOB_INFO": 417,
    "NO_MORE_JOBS": 418,
    "JOB_INFO": 419,
    "RESCHEDULE": 421,
    "END_NEGOTIATE": 425,
    "REJECTED": 426,
    "X_EVENT_NOTIFICATION": 427,
    "GET_HISTORY": 429,
    "MATCH_INFO": 440,
    "ALIVE": 441,
    "REQUEST_CLAIM": 442,
    "RELEASE_CLAIM": 443,
    "ACTIVATE_CLAIM": 444,
    "VACATE_ALL_CLAIMS": 447,
    "GIVE_STATE": 448,
    "SET_PRIORITY": 449,
    "GET_PRIORITY": 451,
    "RESET_USAGE": 458,
    "SET_PRIORITYFACTOR": 459,
    "RESET_ALL_USAGE": 460,
    "GET_RESLIST": 463,
    "ATTEMPT_ACCESS": 464,
    "VACATE_CLAIM": 465,
    "GIVE_TOTALS_CLASSAD": 470,
    "PERMISSION_AND_AD": 472,
    "VACATE_ALL_FAST": 474,
    "VACATE_CLAIM_FAST": 475,
    "REJECTED_WITH_REASON": 476,
    "START_AGENT": 477,
    "ACT_ON_JOBS": 478,
    "STORE_CRED": 479,
    "SPOOL_JOB_FILES": 480,
    "DELETE_USER": 482,
    "TRANSFER_DATA": 486,
    "UPDATE_GSI_CRED": 487,
    "SPOOL_JOB_FILES_WITH_PERMS": 488,
    "TRANSFER_DATA_WITH_PERMS": 489,
    "CHILD_ON": 490,
    "CHILD_OFF": 491,
    "CHILD_OFF_FAST": 492,
    "SET_ACCUMUSAGE": 494,
    "SET_BEGINTIME": 495,
    "SET_LASTTIME": 496,
    "STORE_POOL_CRED": 497,
    "DELEGATE_GSI_CRED_SCHEDD": 499,
    "DELEGATE_GSI_CRED_STARTER": 500,
    "DELEGATE_GSI_CRED_STARTD": 501,
    "REQUEST_SANDBOX_LOCATION": 502,
    "VM_UNIV_GAHP_ERROR": 503,
    "VM_UNIV_VMPID": 504,
    "VM_UNIV_GUEST_IP": 505,
    "VM_UNIV_GUEST_MAC": 506,
    "TRANSFER_QUEUE_REQUEST": 507,
    "GET_JOB_CONNECT_INFO": 509,
    "RECYCLE_SHADOW": 510,
    "CLEAR_DIRTY_JOB_ATTRS": 511,
    "DRAIN_JOBS": 512,
    "CANCEL_DRAIN_JOBS": 513,
    "GET_PRIORITY_ROLLUP": 514,
    "QUERY_SCHEDD_HISTORY": 515,
    "QUERY_JOB_ADS": 516,
    "SEND_RESOURCE_REQUEST_LIST": 518,
    "QUERY_JOB_ADS_WITH_AUTH": 519,
    "FETCH_PROXY_DELEGATION": 520,
    "REASSIGN_SLOT": 521,
    "COALESCE_SLOTS": 522,
    "COLLECTOR_TOKEN_REQUEST": 523,
    "GET_CEILING": 524,
    "SET_CEILING": 525,
    "EXPORT_JOBS": 526,
    "IMPORT_EXPORTED_JOB_RESULTS": 527,
    "UNEXPORT_JOBS": 528,
    "GET_FLOOR": 529,
    "SET_FLOOR": 530,
    "DIRECT_ATTACH": 531,
    "MANAGE_CEILING": 532,
    "MANAGE_FLOOR": 533,
    "MANAGE_PRIORITY_FACTOR": 534,
    "QUERY_USERREC_ADS": 540,
    "ENABLE_USERREC": 541,
    "DISABLE_USERREC": 542,
    "EDIT_USERREC": 543,
    "RESET_USERREC": 544,
    "DELETE_USERREC": 549,
    "GET_CONTACT_INFO": 550,
    "CREATE_OCU_FOR_USERREC": 551,
    "REMOVE_OCU_FROM_USERREC": 552,
    "QUERY_OCU_FROM_USERREC": 553,
    "REACTIVATE_CLAIM_CHECK": 554,
    "PLACEMENT_USER_LOGIN": 555,
    "PLACEMENT_QUERY_USERS": 556,
    "PLACEMENT_QUERY_TOKENS": 557,
    "PLACEMENT_QUERY_AUTHORIZATIONS": 558,
    "CREATE_STARTUP_LIMIT": 559,
    "QUERY_STARTUP_LIMITS": 560,
    "DEACTIVATE_CLAIM_FINAL_XFER": 561,
    "REHOME": 562,
    "COMMAND_DATA_SLOT": 563,
    "HAD_ALIVE_CMD": 700,
    "HAD_SEND_ID_CMD": 701,
    "HAD_BEFORE_PASSIVE_STATE": 703,
    "HAD_AFTER_ELECTION_STATE": 704,
    "HAD_AFTER_LEADER_STATE": 705,
    "HAD_IN_LEADER_STATE": 706,
    "REPLICATION_TRANSFER_FILE": 800,
    "REPLICATION_LEADER_VERSION": 801,
    "REPLICATION_NEWLY_JOINED_VERSION": 802,
    "REPLICATION_GIVING_UP_VERSION": 803,
    "REPLICATION_SOLICIT_VERSION": 804,
    "REPLICATION_SOLICIT_VERSION_REPLY": 805,
    "REPLICATION_TRANSFER_FILE_NEW": 806,
    "CA_AUTH_CMD": 1000,
    "CA_REQUEST_CLAIM": 1001,
    "CA_RELEASE_CLAIM": 1002,
    "CA_ACTIVATE_CLAIM": 1003,
    "CA_DEACTIVATE_CLAIM": 1004,
    "CA_SUSPEND_CLAIM": 1005,
    "CA_RESUME_CLAIM": 1006,
    "CA_RENEW_LEASE_FOR_CLAIM": 1007,
    "CA_UPDATE_MACHINE_AD": 1009,
    "CA_BULK_REQUEST": 1010,
    "QMGMT_READ_CMD": 1111,
    "QMGMT_WRITE_CMD": 1112,
    "CA_CMD": 1200,
    "CA_LOCATE_STARTER": 1201,
    "CA_RECONNECT_JOB": 1202,
    "STARTER_VACATE_JOB": 1500,
    "CREATE_JOB_OWNER_SEC_SESSION": 1501,
    "START_SSHD": 1502,
    "STARTER_PEEK": 1503,
    "FILETRANS_UPLOAD": 61000,
    "FILETRANS_DOWNLOAD": 61001,
    "DAGMAN_GENERIC": 61500,
    "MPI_START_COMRADE": 71002,
    "GIVE_MATCHES": 71003,
    "UPDATE_JOBAD": 71005,
    "TRANSFER_SANDBOX_AND_RM_JOB": 71006,
    "SQUAWK": 72000,
    "GRIDMAN_CHECK_LEASES": 73000,
    "CREDD_STORE_CRED": 81000,
    "CREDD_GET_CRED": 81001,
    "CREDD_REMOVE_CRED": 81002,
    "CREDD_QUERY_CRED": 81003,
    "CREDD_GET_TOKEN": 81004,
    "CREDD_REFRESH_ALL": 81020,
    "CREDD_CHECK_CREDS": 81030,
    "CREDD_GET_PASSWD": 81099,
    "CREDD_NOP": 81100,
}
_MAX_COMMAND: Final = 2**31 - 1


def find_command(token: str) -> int | None:
    """The command that a word means: a level, a command's name, or a number.

    Names are taken in any case of letters, numbers only as they are written plainly.
    ``OWNER`` is a level of daemons before 9.9.

    Args:
        token: The word.
    """
    name = token.upper()
    level = Permission.__members__.get(name)
    if level is not None:
        return LEVEL_COMMANDS.get(level)
    if name == "OWNER":
        return int(Command.DC_NOP_OWNER)
    command = Command.__members__.get(name)
    if command is not None:
        return int(command)
    if name in OTHER_COMMANDS:
        return OTHER_COMMANDS[name]
    plain = token.isascii() and token.isdigit() and len(token) <= 10
    if plain and str(int(token)) == token and int(token) <= _MAX_COMMAND:
        return int(token)
    return None
