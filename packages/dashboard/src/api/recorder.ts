import { encodeWav } from '../data/wav.js'

/** Sample rate of the model: anything above is thrown away by the server. */
const sampleRateHz = 16_000

export interface Recorder {
  /** Ends the recording and returns it. */
  stop(): Promise<File>
}

/** Asks for the microphone and begins. Rejects with a sentence when there is none, or none is allowed. */
export async function startRecorder(): Promise<Recorder> {
  if (!navigator.mediaDevices) {
    throw new Error('The browser gives the microphone only to pages over https or from localhost.')
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch((error: Error) => {
    throw new Error(`No microphone: ${error.message}`)
  })
  const recorder = new MediaRecorder(stream)
  const parts: Blob[] = []
  recorder.addEventListener('dataavailable', (event) => parts.push(event.data))
  const ended = new Promise<void>((resolve) => recorder.addEventListener('stop', () => resolve()))
  recorder.start()
  return {
    async stop() {
      recorder.stop()
      await ended
      for (const track of stream.getTracks()) track.stop()
      return toWav(new Blob(parts, { type: recorder.mimeType }))
    },
  }
}

/** A server without ffmpeg knows WAV only, so what the browser recorded is turned into it here. */
async function toWav(recording: Blob): Promise<File> {
  const context = new OfflineAudioContext(1, 1, sampleRateHz)
  const sound = await context.decodeAudioData(await recording.arrayBuffer())
  const mono = new OfflineAudioContext(1, Math.max(1, sound.length), sampleRateHz)
  const source = mono.createBufferSource()
  source.buffer = sound
  source.connect(mono.destination)
  source.start()
  const rendered = await mono.startRendering()
  return new File([encodeWav(rendered.getChannelData(0), sampleRateHz)], 'recording.wav', {
    type: 'audio/wav',
  })
}
