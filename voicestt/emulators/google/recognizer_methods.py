"""The gRPC methods of v2 that manage recognizers; those of other resources are refused."""

from typing import Any

from google.cloud.speech_v2.types import cloud_speech as v2
from google.longrunning.operations_pb2 import Operation

from voicestt.emulators.google.limits import NO_STORAGE
from voicestt.emulators.google.operations import Operations
from voicestt.emulators.google.recognizers import Recognizer, Recognizers
from voicestt.emulators.google.unary_methods import unary, unimplemented

_NOT_KEPT = "This local service keeps no phrase sets, custom classes and configuration, and changes no recognizer."
_VERBS = ("Create", "Get", "Update", "Delete", "Undelete")
_REFUSED = (
    *(f"{verb}{noun}" for verb in _VERBS for noun in ("PhraseSet", "CustomClass")),
    *("ListPhraseSets", "ListCustomClasses", "GetConfig", "UpdateConfig"),
    *("UpdateRecognizer", "UndeleteRecognizer"),
)
_Metadata = v2.OperationMetadata.pb()
_Page = v2.ListRecognizersResponse.pb()


class RecognizerMethods:
    """The methods of v2 beside the recognition itself."""

    def __init__(self, recognizers: Recognizers, operations: Operations) -> None:
        self._recognizers, self._operations = recognizers, operations

    def by_name(self) -> dict[str, Any]:
        """Make the methods, by their names."""
        return {
            **dict.fromkeys(_REFUSED, unimplemented(_NOT_KEPT)),
            "BatchRecognize": unimplemented(NO_STORAGE),
            "CreateRecognizer": unary(self._create, v2.CreateRecognizerRequest.pb(), Operation),
            "GetRecognizer": unary(self._get, v2.GetRecognizerRequest.pb(), Recognizer),
            "ListRecognizers": unary(self._list, v2.ListRecognizersRequest.pb(), _Page),
            "DeleteRecognizer": unary(self._delete, v2.DeleteRecognizerRequest.pb(), Operation),
        }

    async def _create(self, request: Any) -> Any:
        kept = self._recognizers.create(
            request.parent, request.recognizer_id, request.recognizer, only_check=request.validate_only
        )
        return self._done(kept, "CreateRecognizer")

    async def _get(self, request: Any) -> Any:
        return self._recognizers.get(request.name)

    async def _list(self, request: Any) -> Any:
        page, token = self._recognizers.page(request.parent, request.page_size, request.page_token)
        return _Page(recognizers=page, next_page_token=token)

    async def _delete(self, request: Any) -> Any:
        gone = self._recognizers.delete(
            request.name, may_be_missing=request.allow_missing, only_check=request.validate_only
        )
        return self._done(gone, "DeleteRecognizer")

    def _done(self, recognizer: Any, method: str) -> Any:
        metadata = _Metadata(resource=recognizer.name, method=method, progress_percent=100)
        return self._operations.ended(recognizer, metadata, recognizer.name.rpartition("/recognizers/")[0])
