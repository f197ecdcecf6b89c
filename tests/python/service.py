"""A second push service, for the end-to-end tests.

It was written from the description of the protocol alone, on other libraries than the gateway's and the simulator's, so
that the three do not share a mistake. It listens on a free port of 127.0.0.1 at /ws/{account} and is steered by JSON
lines on standard input; what happens is told by JSON lines on standard output. It ends with its standard input.

Orders:
    {"push": {"account", "id", "title", "body", "created_at"}, "fragments"?: N, "unknown_field"?: true}
    {"raw": {"account", "hex"}}         a binary message as it is
    {"text": {"account", "text"}}       a text message
    {"cut": {"account", "code"?}}       ends its sockets, with a Close or without
    {"ping": {"account"}}               a ping; its pong is told
Events:
    {"listening": port}
    {"connected": account, "authorization": text or null}
    {"disconnected": account, "code": N}
    {"sent": id, "attempt": N}
    {"answer": id, "status": "ack" or "nack", "account": account}
    {"pong": account}
    {"broken": text}                    the gateway sent what it must not send
"""

import argparse
import asyncio
import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

FIELD = descriptor_pb2.FieldDescriptorProto


def messages():
    """The protocol's four messages, from a description that is written out here."""
    file = descriptor_pb2.FileDescriptorProto(name="second.proto", package="second", syntax="proto3")

    def message(name, fields, oneof=None):
        made = file.message_type.add(name=name)
        if oneof:
            made.oneof_decl.add(name=oneof)
        for number, (field, kind) in enumerate(fields, start=1):
            added = made.field.add(name=field, number=number, label=FIELD.LABEL_OPTIONAL)
            if kind == "string":
                added.type = FIELD.TYPE_STRING
            elif kind.startswith("enum:"):
                added.type, added.type_name = FIELD.TYPE_ENUM, kind[5:]
            else:
                added.type, added.type_name = FIELD.TYPE_MESSAGE, kind
            if oneof:
                added.oneof_index = 0
        return made

    texts = [(name, "string") for name in ("id", "created_at", "title", "body")]
    message("PushNotification", texts)
    message("ServerMessage", [("push_notification", ".second.PushNotification")], oneof="server_message")
    ack = message("DeliveryAck", [("push_id", "string"), ("status", "enum:.second.DeliveryAck.Status")])
    status = ack.enum_type.add(name="Status")
    status.value.add(name="STATUS_ACK", number=0)
    status.value.add(name="STATUS_NACK", number=1)
    message("ClientMessage", [("delivery_ack", ".second.DeliveryAck")], oneof="client_message")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = (pool.FindMessageTypeByName(f"second.{name}") for name in ("ServerMessage", "ClientMessage"))
    return [message_factory.GetMessageClass(descriptor) for descriptor in made]


ServerMessage, ClientMessage = messages()


def tell(**event):
    print(json.dumps(event), flush=True)


class Account:
    """Pushes without an answer, oldest first, and the sockets; the newest one gets the pushes."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.sockets, self.pending, self.delivering = [], {}, set()

    async def deliver(self, push_id):
        """Sends a push until it has its answer; after some attempts on one socket cuts that. Ends without sockets."""
        attempt, socket = 0, None
        try:
            while push_id in self.pending and self.sockets:
                if self.sockets[-1] is not socket:
                    attempt, socket = 0, self.sockets[-1]
                try:
                    if attempt == self.options.attempts:
                        await socket.close(1008, "a push had no answer")
                    else:
                        attempt += 1
                        await socket.send(self.pending[push_id])
                        tell(sent=push_id, attempt=attempt)
                except ConnectionClosed:
                    pass
                await asyncio.sleep(self.options.redeliver_after)
        finally:
            self.delivering.discard(push_id)

    def start(self, push_id):
        if push_id not in self.delivering:
            self.delivering.add(push_id)
            asyncio.get_running_loop().create_task(self.deliver(push_id))

    async def serve(self, socket):
        self.sockets.append(socket)
        tell(connected=self.name, authorization=socket.request.headers.get("Authorization"))
        for push_id in list(self.pending):
            self.start(push_id)
        try:
            async for data in socket:
                self.receive(data)
        except ConnectionClosed:
            pass
        self.sockets.remove(socket)
        tell(disconnected=self.name, code=socket.close_code)

    def receive(self, data):
        if isinstance(data, str):
            return tell(broken="a text message")
        message = ClientMessage()
        try:
            message.ParseFromString(data)
        except Exception as error:  # whatever the library raises, the gateway is to blame
            return tell(broken=str(error))
        if message.WhichOneof("client_message") != "delivery_ack":
            return tell(broken="neither an answer nor anything known")
        answer = message.delivery_ack
        self.pending.pop(answer.push_id, None)
        status = {0: "ack", 1: "nack"}.get(answer.status, "unknown")
        tell(answer=answer.push_id, status=status, account=self.name)


class Service:
    def __init__(self, options):
        self.options, self.accounts = options, {}

    def account(self, name):
        return self.accounts.setdefault(name, Account(name, self.options))

    async def handle(self, socket):
        _, _, name = socket.request.path.rpartition("/ws/")
        await self.account(name.split("?")[0]).serve(socket)

    async def obey(self, order):
        more, kind = order, next(kind for kind in ("push", "raw", "text", "cut", "ping") if kind in order)
        order = more[kind]
        account = self.account(order["account"])
        if kind == "push":
            message = ServerMessage()
            push = message.push_notification
            for field in ("id", "created_at", "title", "body"):
                setattr(push, field, order[field])
            data = message.SerializeToString()
            if more.get("unknown_field"):
                data += bytes.fromhex("fa0103616263")  # field 31, three bytes
            account.pending[order["id"]] = fragments(data, more.get("fragments", 1))
            account.start(order["id"])
        for socket in list(account.sockets):
            if kind == "raw":
                await socket.send(bytes.fromhex(order["hex"]))
            elif kind == "text":
                await socket.send(order["text"])
            elif kind == "ping":
                await (await socket.ping())
                tell(pong=account.name)
            elif kind == "cut" and "code" in order:
                await socket.close(order["code"])
            elif kind == "cut":
                socket.transport.abort()

    async def run(self):
        options = self.options
        async with serve(
            self.handle, "127.0.0.1", 0, ping_interval=options.ping_every, ping_timeout=options.ping_timeout
        ) as server:
            tell(listening=server.sockets[0].getsockname()[1])
            orders = asyncio.StreamReader(limit=1 << 26)
            loop = asyncio.get_running_loop()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
            while line := await orders.readline():
                await self.obey(json.loads(line))


def fragments(data, count):
    """One message in so many frames; as it is for one."""
    if count == 1:
        return data
    size = max(1, -(-len(data) // count))
    return [data[at : at + size] for at in range(0, len(data), size)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--redeliver-after", type=float, default=0.3)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--ping-every", type=float, default=0.5)
    parser.add_argument("--ping-timeout", type=float, default=2.0)
    asyncio.run(Service(parser.parse_args()).run())
