"""A device of our own making that tells of itself over ONVIF: a pull point and its states. No peer here has events."""

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

_ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tev="http://www.onvif.org/ver10/events/wsdl"'
    ' xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:wsa="http://www.w3.org/2005/08/addressing"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
    ' xmlns:tns1="http://www.onvif.org/ver10/topics"><s:Body>{}</s:Body></s:Envelope>'
)
_FAULT = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>Not supported</s:Text></s:Reason></s:Fault>"
)


class Device:
    """states: (topic, name of the value, source) -> on. told: what is still to be pulled."""

    def __init__(self):
        self.states, self.told, self.points = {}, [], 0
        self.skew = timedelta()
        self.news = asyncio.Event()
        self.asked = []
        self.resends = True  # all its states, when it is asked for them

    def set(self, topic, name, on, source="source_1", tell=True):
        self.states[topic, name, source] = on
        if tell:
            self.say(topic, name, on, source)

    def say(self, topic, name, value, source, operation="Changed"):
        value = str(value).lower() if isinstance(value, bool) else value
        self.told.append(
            f'<wsnt:NotificationMessage><wsnt:Topic Dialect="c">{topic}</wsnt:Topic><wsnt:Message>'
            f'<tt:Message UtcTime="{self.now()}" PropertyOperation="{operation}"><tt:Source>'
            f'<tt:SimpleItem Name="Token" Value="{source}"/></tt:Source><tt:Data>'
            f'<tt:SimpleItem Name="{name}" Value="{value}"/></tt:Data></tt:Message></wsnt:Message>'
            "</wsnt:NotificationMessage>"
        )
        self.news.set()

    def now(self):
        return (datetime.now(UTC) + self.skew).isoformat(timespec="seconds").replace("+00:00", "Z")

    async def answer(self, body):
        found = re.search(rb"Body[^>]*>\s*<(?:\w+:)?(\w+)", body)
        asked = found[1].decode() if found else "Nothing"
        self.asked.append(asked)
        match asked:
            case "GetServices":
                return (
                    "<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver10/events/wsdl"
                    "</tds:Namespace><tds:XAddr>http://elsewhere.example/events</tds:XAddr></tds:Service>"
                    "</tds:GetServicesResponse>"
                )
            case "CreatePullPointSubscription":
                self.points += 1
                return (
                    "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa:Address>"
                    f"http://elsewhere.example/point/{self.points}</wsa:Address></tev:SubscriptionReference>"
                    "</tev:CreatePullPointSubscriptionResponse>"
                )
            case "SetSynchronizationPoint" if self.resends:
                self.told.clear()
                for (topic, name, source), on in self.states.items():
                    self.say(topic, name, on, source, "Initialized")
                return "<tev:SetSynchronizationPointResponse/>"
            case "PullMessages":
                point = self.points
                if not self.told:
                    try:
                        async with asyncio.timeout(0.2):
                            await self.news.wait()
                    except TimeoutError:
                        pass
                said = []
                if point == self.points:  # else who asked has left, and what is told is for who came after him
                    self.news.clear()
                    said, self.told = self.told, []
                return (
                    f"<tev:PullMessagesResponse><tev:CurrentTime>{self.now()}</tev:CurrentTime>{''.join(said)}"
                    "</tev:PullMessagesResponse>"
                )
            case "Unsubscribe" | "Renew":
                return f"<wsnt:{asked}Response/>"
            case _:
                return _FAULT

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)[1])
                told = _ENVELOPE.format(await self.answer(await reader.readexactly(size))).encode()
                status = b"400 Bad" if _FAULT.encode() in told else b"200 OK"
                writer.write(
                    b"HTTP/1.1 %s\r\nContent-Type: application/soap+xml\r\nContent-Length: %d\r\n\r\n"
                    % (status, len(told))
                    + told
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def telling():
    """A device that is there: (device, address of its service)."""
    device = Device()
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    try:
        yield device, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/onvif/device_service"
    finally:
        server.close()
