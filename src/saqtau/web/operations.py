"""Which action of the policies each call of the API is, and which calls need none, with the reason.

A test walks the OpenAPI document: a call that stands in neither table does not pass. The entry of a call names the
action, so this is also how an overseer finds the call behind an entry.
"""

from typing import Final

from saqtau.kernel.access import Action

ACTIONS: Final[dict[str, tuple[Action, ...]]] = {
    # looking
    "readOverview": (Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.READ_REGISTER),
    "followLive": (Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.WATCH_OWN),
    "readItems": (Action.WATCH_QUEUE, Action.WATCH_OWN),
    "readItem": (Action.READ_ITEM,),
    "readCustody": (Action.READ_CAMERA,),
    "readMinutes": (Action.READ_CAMERA,),
    "readCustodyFigures": (Action.READ_CAMERA,),
    "readPicture": (Action.READ_PICTURE,),
    "findNearestUnits": (Action.WATCH_UNITS,),
    "readPlate": (Action.READ_HISTORY, Action.READ_ITEM),
    "readRegister": (Action.READ_REGISTER, Action.READ_LIST),
    "readTablet": (Action.WATCH_OWN, Action.READ_ITEM),
    "readCameras": (Action.READ_CAMERA, Action.READ_WATCHERS),
    "readTimeline": (Action.READ_CAMERA,),
    "readHealth": (Action.READ_CAMERA,),
    "readLacks": (Action.READ_CAMERA,),
    "readWatchers": (Action.READ_WATCHERS,),
    "playRecording": (Action.PLAY_RECORDING,),
    "readThumbnail": (Action.PLAY_RECORDING,),
    "readPlaylist": (Action.PLAY_RECORDING,),
    "readRecordingFile": (Action.PLAY_RECORDING,),
    # acting
    "takeEdge": (Action.ACT_ON_ITEM, Action.REVIEW_BREAK_GLASS, Action.READ_ITEM),
    "openItem": (Action.ACT_ON_ITEM, Action.READ_ITEM),
    "setDuty": (Action.SET_DUTY,),
    "enrolTablet": (Action.ENROL_DEVICE,),
    "renewCertificate": (Action.ENROL_DEVICE,),
    "makeEnrolmentCode": (Action.MANAGE_DEVICE,),
    "revokeDevice": (Action.MANAGE_DEVICE,),
    "addCamera": (Action.MANAGE_CAMERA,),
    "disableCamera": (Action.MANAGE_CAMERA,),
    "enableCamera": (Action.MANAGE_CAMERA,),
    "learnCamera": (Action.MANAGE_CAMERA,),
    # two people, and the glass
    "readExports": (Action.READ_EXPORT,),
    "askExport": (Action.REQUEST_EXPORT,),
    "approveExport": (Action.APPROVE_EXPORT,),
    "refuseExport": (Action.APPROVE_EXPORT, Action.REQUEST_EXPORT),
    "fetchExport": (Action.RECEIVE_EXPORT,),
    "askRecordingExport": (Action.REQUEST_EXPORT,),
    "readRecordingExports": (Action.READ_EXPORT,),
    "approveRecordingExport": (Action.APPROVE_EXPORT,),
    "refuseRecordingExport": (Action.APPROVE_EXPORT, Action.REQUEST_EXPORT),
    "redactRecording": (Action.REQUEST_EXPORT,),
    "readRedacted": (Action.REQUEST_EXPORT, Action.APPROVE_EXPORT),
    "fetchRecordingExport": (Action.RECEIVE_EXPORT,),
    "readHolds": (Action.READ_EXPORT,),
    "placeHold": (Action.PLACE_HOLD,),
    "askToLiftHold": (Action.PLACE_HOLD,),
    "liftHold": (Action.LIFT_HOLD,),
    "readBrokenGlass": (Action.READ_BREAK_GLASS,),
    "breakGlass": (Action.OPEN_BREAK_GLASS,),
    "readPolicies": (Action.READ_POLICY,),
    "readPolicy": (Action.READ_POLICY,),
    "checkPolicy": (Action.READ_POLICY,),
    "proposePolicy": (Action.PROPOSE_POLICY, Action.READ_POLICY),
    "approvePolicy": (Action.APPROVE_POLICY,),
    "refusePolicy": (Action.APPROVE_POLICY, Action.PROPOSE_POLICY),
    # oversight
    "readOversight": (Action.READ_ACCESS, Action.READ_LEDGER),
    "readEntries": (Action.READ_ACCESS,),
    "readEntry": (Action.READ_ACCESS,),
    "readTile": (Action.READ_LEDGER,),
    "readOpenRecords": (Action.READ_LEDGER,),
    # one's own account
    "readAccount": (Action.MANAGE_OWN_ACCOUNT,),
    "askForProof": (Action.MANAGE_OWN_ACCOUNT,),
    "proveByPasskey": (Action.MANAGE_OWN_ACCOUNT,),
    "prove": (Action.MANAGE_OWN_ACCOUNT,),
    "changePassword": (Action.MANAGE_OWN_ACCOUNT,),
    "endSessions": (Action.MANAGE_OWN_ACCOUNT,),
    "askToMakePasskey": (Action.MANAGE_OWN_ACCOUNT,),
    "addPasskey": (Action.MANAGE_OWN_ACCOUNT,),
    "removePasskey": (Action.MANAGE_OWN_ACCOUNT,),
    "beginCodes": (Action.MANAGE_OWN_ACCOUNT,),
    "confirmCodes": (Action.MANAGE_OWN_ACCOUNT,),
    "removeCodes": (Action.MANAGE_OWN_ACCOUNT,),
    "makeRecoveryCodes": (Action.MANAGE_OWN_ACCOUNT,),
}
"""The actions a call asks the policies for; with several, which one depends on the role and the purpose."""

SOCKETS: Final[dict[str, tuple[Action, ...]]] = {
    "watchCamera": (Action.WATCH_CAMERA,),
    "watchCameras": (Action.WATCH_CAMERA,),
}
"""Calls that open a WebSocket; the OpenAPI document knows none."""

OPEN: Final[dict[str, str]] = {
    "login": "nobody is known yet; each log-in, failed or not, leaves an entry",
    "readWays": "how one logs in here; says nothing of anybody",
    "askForPasskey": "a question for an authenticator, before anybody is known",
    "logInByPasskey": "as login: nobody is known yet",
    "logInByCode": "as login, its second step",
    "beginIdentity": "as login, at the authority's own identity provider",
    "logout": "ending is always allowed, and leaves an entry",
    "readMe": "what the person's own session is",
    "countWaiting": "how many wishes wait for the person's own yes: a figure and nothing else; the console's menu asks",
    "readOpenGlass": "numbers that the person typed himself and until when they are open; the console's countdown asks",
    "readDesks": "the desks as data: law, not cases",
    "readLogs": "origins, keys and sizes of the logs, for every outsider who checks them",
    "readCheckpoint": "the signed checkpoint, for every outsider who checks it",
}
"""Calls that ask for no action, and why they need not."""
