"""One copied stream: its packets as they are, or converted where the container has another form.

Each class takes the packets of the source in the order of the file and gives those of the output,
on the output's clock and in its ticks, and notes for the verification where each should be.

Times are the source's own. Matroska and WebM take packets that share a time; MP4 and MOV do not, so
there the later ones are one tick of the track apart (1/48000 s for sound), and lines of text that
are shown together become one sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from animesr_cli.video.timestamps import ticks
from animesr_cli.writing.packet_log import Packet, PacketLog, with_content
from animesr_cli.writing.stream_support import is_filler
from animesr_cli.writing.subtitle_text import LARGEST_TEXT_BYTES, LONGEST_LINE

PRIMING_SAMPLES: Final = 2112
"""That the encoders of AAC put before the sound, at most."""
LEAST_GAP: Final = Fraction(40, 1000)
"""Seconds; sound that is less than this off is not noticed to be."""
UNTIMED_LINE: Final = Fraction(5)
"""Seconds that the last line is shown where the source does not say how long."""
ASS_FIELDS: Final = 8
"""Commas before the text of a line of ASS, as FFmpeg's decoders give it."""


class PacketCopy:
    """A stream whose packets are passed on as they are.

    Args:
        origin: seconds that are subtracted from every time.
        rising: whether the container refuses packets that share a time. Those that do not have no
            edit lists either: what such a list of the source hides is left out there.
    """

    def __init__(self, source: Stream, target: Stream, origin: Fraction, *, rising: bool) -> None:
        assert source.time_base
        self.source = source
        self.target = target
        self.time_base = Fraction(source.time_base)
        self.shift = ticks(origin, self.time_base)
        self.lost = 0
        """Damaged packets that were left out."""
        self.moved = 0
        """Packets that the container cannot have at their times."""
        self.largest_move = Fraction(0)
        """Seconds."""
        self.is_certain = True
        """Whether it is known how many packets are in the file."""
        self._skips_hidden = source.type != "video" and not rising  # which have no edit lists
        self._primes = True  # so far all packets were hidden ones, and few enough for priming
        self.silence = Fraction(0)
        """Seconds that were put into gaps of uncompressed sound."""
        self._step = 1 if rising else 0
        self._gapless = _Gapless(target) if rising and _Gapless.is_for(target) else None
        self._last: int | None = None  # the decoding time of the packet before, in output ticks
        self._log: PacketLog | None = None

    @property
    def tick(self) -> Fraction:
        """Seconds; the muxer settles it when the header is written."""
        return Fraction(self.target.time_base or self.time_base)

    @property
    def log(self) -> PacketLog:
        """What was written, at the times at which it should be found."""
        if self._log is None:
            self._log = PacketLog(self.tick, self.tolerance)
        return self._log

    @property
    def tolerance(self) -> Fraction:
        """Seconds that a packet may be off: a tick of the output, or of the input if longer."""
        return max(self.tick, self.time_base)

    def convert(self, packet: Packet) -> Iterator[tuple[Packet, int | None]]:
        """The packets to write for one of the source, each with the time that it should have."""
        if is_filler(self.target, packet.size) or self._is_hidden(packet):
            return
        if packet.pts is None and packet.dts is None and self._last is not None:
            self.lost += 1  # a muxer would refuse it later, over some other packet
            return
        yield from self._silence(packet)
        yield packet, self._place(packet)

    def due(self, until: Fraction | None) -> Iterator[tuple[Packet, int | None]]:
        """What is left of packets converted before and begins before ``until``, in seconds."""
        return iter(())

    def _is_hidden(self, packet: Packet) -> bool:
        """Whether an edit list hides this packet, and not only because a decoder needs it first."""
        if not (self._skips_hidden and packet.is_discard):
            self._primes = False
            return False
        context = self.source.codec_context
        if packet.pts is None or not isinstance(context, AudioCodecContext) or not context.rate:
            self._primes = False
        else:
            before = (self.shift - packet.pts) * self.time_base
            self._primes &= 0 < before <= Fraction(PRIMING_SAMPLES, context.rate)
        return not self._primes

    def _silence(self, packet: Packet) -> Iterator[tuple[Packet, int | None]]:
        """What fills a long gap before this packet, where the container keeps none."""
        if self._gapless is None or packet.dts is None:
            return
        begin = self._output_ticks(packet.dts)
        assert begin is not None
        for content in self._gapless.silence_before(begin, self.tick):
            filling: Packet = av.Packet(content)
            filling.time_base = self.tick
            filling.pts = filling.dts = self._gapless.place(len(content), begin, self.tick)
            self.silence += self._gapless.seconds(len(content))
            yield filling, filling.pts

    def _place(self, packet: Packet) -> int | None:
        """Put a packet on the output's clock; the time that it should be found at."""
        pts, dts = self._output_ticks(packet.pts), self._output_ticks(packet.dts)
        wanted = pts if pts is not None else dts
        duration = ticks((packet.duration or 0) * self.time_base, self.tick)
        if dts is not None and wanted is not None:
            if self._last is not None:
                if not duration and self.source.type == "audio":
                    # Else the last packet would not be played.
                    duration = max(dts - self._last, 0)
                dts = max(dts, self._last + self._step)
            pts = max(wanted, dts)
            if self._gapless is not None:
                pts = dts = self._gapless.place(packet.size, dts, self.tick)
            self._last = dts
            move = abs(pts - wanted) * self.tick
            if move > self.tolerance:
                self._note_move(move)
                wanted = pts
        packet.time_base = self.tick
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        return wanted

    def _note_move(self, seconds: Fraction) -> None:
        self.moved += 1
        self.largest_move = max(self.largest_move, seconds)

    def _output_ticks(self, time: int | None) -> int | None:
        return None if time is None else ticks((time - self.shift) * self.time_base, self.tick)


class _Gapless:
    """Where uncompressed sound lies in MP4 and MOV: each sample directly behind the one before."""

    def __init__(self, target: Stream) -> None:
        context = target.codec_context
        assert isinstance(context, AudioCodecContext)
        self._name = context.codec.canonical_name
        self._rate = context.sample_rate
        bits = re.search(r"(8|16|24|32|64)", self._name)
        self._block = context.layout.nb_channels * (int(bits[1]) // 8 if bits else 1)
        self._begin: int | None = None
        self._bytes = 0

    @staticmethod
    def is_for(target: Stream) -> bool:
        """Whether the muxer takes a stream for one of these."""
        context = target.codec_context
        return isinstance(context, AudioCodecContext) and context.codec.canonical_name.startswith(
            "pcm_"
        )

    def seconds(self, size: int) -> Fraction:
        """How long so many bytes last."""
        return Fraction(size // self._block, self._rate)

    def place(self, size: int, time: int, tick: Fraction) -> int:
        """Where the next packet lies, in ticks; ``time`` is where the very first should."""
        if self._begin is None:
            self._begin = time
        begin = self._begin + ticks(self.seconds(self._bytes), tick)
        self._bytes += size
        return begin

    def silence_before(self, time: int, tick: Fraction) -> Iterator[bytes]:
        """Packets that fill the gap before ``time``, if it can be heard."""
        if self._begin is None:
            return
        gap = (time - self._begin) * tick - self.seconds(self._bytes)
        if gap < LEAST_GAP:
            return
        quiet = {"pcm_u8": b"\x80", "pcm_alaw": b"\xd5", "pcm_mulaw": b"\xff"}
        samples = round(gap * self._rate)
        for begin in range(0, samples, self._rate):
            count = min(self._rate, samples - begin)
            yield quiet.get(self._name, b"\0") * (count * self._block)


class PcmConversion(PacketCopy):
    """Uncompressed sound in a form that the container holds: the same samples, one for one."""

    def convert(self, packet: Packet) -> Iterator[tuple[Packet, int | None]]:
        """Decode and encode; nothing is lost between two forms of PCM of one depth."""
        decoder, encoder = self.source.codec_context, self.target.codec_context
        assert isinstance(decoder, AudioCodecContext)
        assert isinstance(encoder, AudioCodecContext)
        for frame in decoder.decode(packet):
            for converted in encoder.encode(frame):
                converted.time_base = self.time_base
                converted.pts = converted.dts = packet.pts
                converted.duration = packet.duration
                yield from super().convert(converted)


class TextConversion(PacketCopy):
    """Text subtitles whose lines are decoded and encoded again, each at its own time.

    Args:
        rising: the same containers show one packet at a time, so that lines that overlap become
            packets of several lines.
        charset: what the source's bytes are, where they are not UTF-8.
    """

    def __init__(
        self,
        source: Stream,
        target: Stream,
        origin: Fraction,
        *,
        rising: bool,
        charset: str | None = None,
    ) -> None:
        super().__init__(source, target, origin, rising=rising)
        target.time_base = self.time_base
        decoder, encoder = source.codec_context, target.codec_context
        assert isinstance(decoder, SubtitleCodecContext)
        assert isinstance(encoder, SubtitleCodecContext)
        decoder.open(strict=False)
        encoder.subtitle_header = decoder.subtitle_header
        self._decoder, self._encoder = decoder, encoder
        self._charset = charset
        self._joined = rising
        self._shown: list[tuple[int | None, SubtitleSet]] = []  # with their ends, in source ticks
        self._since = 0
        """Up to where everything was written, in source ticks."""
        self._is_begun = False

    def convert(self, packet: Packet) -> Iterator[tuple[Packet, int | None]]:
        """Lines that overlap are held back until it is known what is shown beside them."""
        if packet.size > LARGEST_TEXT_BYTES:
            return  # before it is decoded, which takes minutes for a megabyte
        begin = packet.pts if packet.pts is not None else packet.dts
        duration = min(packet.duration or 0, int(LONGEST_LINE / self.time_base))
        subtitle = self._decoder.decode2(self._recoded(packet))
        if subtitle is None or not len(subtitle):
            return
        if not self._joined or begin is None:
            yield from self._encoded(
                bytes(self._encoder.encode_subtitle(subtitle)), begin, duration
            )
            return
        yield from self._ended(begin)
        if self._shown and begin > self._since:
            yield from self._sample(begin)
        self._shown = [line for line in self._shown if line[0] is not None]
        if self._is_begun and begin < self._since:
            self._note_move((self._since - begin) * self.time_base)
        self._since = max(begin, self._since) if self._is_begun else begin
        self._is_begun = True
        self._shown.append((begin + duration if duration else None, subtitle))

    def due(self, until: Fraction | None) -> Iterator[tuple[Packet, int | None]]:
        """The packets of lines that have ended by then."""
        if until is not None:
            yield from self._ended(ticks(until, self.time_base))
            return
        last = self._since + ticks(UNTIMED_LINE, self.time_base)
        self._shown = [(last if end is None else end, line) for end, line in self._shown]
        yield from self._ended(None)

    def _recoded(self, packet: Packet) -> Packet:
        """The packet in UTF-8, or as it is: lines of both kinds may stand side by side."""
        content = bytes(packet)
        try:
            content.decode()
            return packet
        except UnicodeDecodeError:
            if self._charset is None:
                return packet
        return with_content(packet, content.decode(self._charset, "replace").encode())

    def _ended(self, until: int | None) -> Iterator[tuple[Packet, int | None]]:
        """A packet for each time in which the same lines are shown and that ends by ``until``."""
        while ends := [end for end, _ in self._shown if end is not None]:
            stop = min(ends)
            if until is not None and stop > until:
                return
            yield from self._sample(stop)

    def _sample(self, stop: int) -> Iterator[tuple[Packet, int | None]]:
        """What is shown from where the last packet ended up to ``stop``, as one packet."""
        if stop > self._since:
            yield from self._encoded(self._text(), self._since, stop - self._since)
            self._since = stop
        self._shown = [line for line in self._shown if line[0] is None or line[0] > stop]

    def _text(self) -> bytes:
        """All lines that are shown now, one below another, as one packet."""
        if len(self._shown) == 1:
            return bytes(self._encoder.encode_subtitle(self._shown[0][1]))
        lines = [
            line.ass.split(b",", ASS_FIELDS)
            for _, subtitle in self._shown
            for line in subtitle
            if isinstance(line, AssSubtitle)
        ]
        first = b",".join(lines[0][:ASS_FIELDS])
        text = rb"{\r}\N".join(fields[-1] for fields in lines)
        joined = SubtitleSet.create(first + b"," + text, 0, 0)
        return bytes(self._encoder.encode_subtitle(joined))

    def _encoded(
        self, content: bytes, begin: int | None, duration: int
    ) -> Iterator[tuple[Packet, int | None]]:
        if len(content) > LARGEST_TEXT_BYTES:
            return
        converted: Packet = av.Packet(content)
        converted.time_base = self.time_base
        converted.pts = converted.dts = begin
        converted.duration = duration
        yield from super().convert(converted)
