"""The simple gRPC methods of the service: one request, one answer, or a refusal."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.operations import Operations
from voicestt.emulators.google.shared import set_status

Answer = Callable[[Any], Awaitable[Any]]


def unary(answer: Answer, request: Any, response: Any) -> Any:
    """Make a gRPC method of `answer`, which may raise `Refusal`; `request` and `response` are message classes."""

    async def handle(message: Any, context: Any) -> Any:
        try:
            return await answer(message)
        except Refusal as refusal:
            set_status(context, refusal)
            return response()

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )


def unimplemented(details: str) -> Any:
    """Make a gRPC method that refuses every request with UNIMPLEMENTED."""

    async def refuse(_message: Any) -> Any:
        raise Refusal(Code.UNIMPLEMENTED, details)

    return unary(refuse, Empty, Empty)  # an Empty reads any message


class OperationMethods:
    """The methods of `google.longrunning.Operations`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def generic(self) -> Any:
        """Make the generic handler of the service."""
        answered = operations_pb2.Operation
        methods = {
            "GetOperation": unary(self._get, operations_pb2.GetOperationRequest, answered),
            "ListOperations": unary(
                self._list, operations_pb2.ListOperationsRequest, operations_pb2.ListOperationsResponse
            ),
            "CancelOperation": unary(self._cancel, operations_pb2.CancelOperationRequest, Empty),
            "DeleteOperation": unary(self._delete, operations_pb2.DeleteOperationRequest, Empty),
            "WaitOperation": unary(self._wait, operations_pb2.WaitOperationRequest, answered),
        }
        return grpc.method_handlers_generic_handler("google.longrunning.Operations", methods)

    async def _get(self, request: Any) -> Any:
        return self._operations.get(request.name)

    async def _list(self, request: Any) -> Any:
        operations, token = self._operations.page(request.page_size, request.page_token)
        return operations_pb2.ListOperationsResponse(operations=operations, next_page_token=token)

    async def _cancel(self, request: Any) -> Any:
        self._operations.cancel(request.name)
        return Empty()

    async def _delete(self, request: Any) -> Any:
        self._operations.delete(request.name)
        return Empty()

    async def _wait(self, request: Any) -> Any:
        limit = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else None
        return await self._operations.wait(request.name, limit)
