import type { IncomingMessage } from 'node:http'
import type { Members } from '../backend/members.js'
import { modelNotFound } from '../server/own-routes.js'
import { ModelField } from './model-field.js'

/** Finds out which group a request is for: by its head, or by the form that it sends. */
export class ModelRouter {
  readonly #members: Members

  constructor(members: Members) {
    this.#members = members
  }

  /** What the header `x-asr-model` names; undefined without one, or with an empty one. Throws AsrError model_not_found. */
  byHeader({ headers }: IncomingMessage): string | undefined {
    const name = headers['x-asr-model']
    return name === undefined || name === '' ? undefined : this.resolve(String(name))
  }

  /**
   * What `model` in the query names, where there is a choice: an only instance says itself whether it goes by that name.
   * Throws AsrError model_not_found.
   */
  byQuery(path: string): string | undefined {
    const query = path.indexOf('?')
    if (query < 0 || !this.#members.offersChoice) return undefined
    const name = new URLSearchParams(path.slice(query)).get('model')
    return name === null || name === '' ? undefined : this.resolve(name)
  }

  /** Looks for the form's field; undefined where nothing depends on it. */
  fieldOf({ headers }: IncomingMessage): ModelField | undefined {
    const type = headers['content-type']
    return type === undefined || !this.#members.offersChoice ? undefined : new ModelField(type)
  }

  /** The name of a group, or of a model that one serves. Throws AsrError model_not_found, which lists what is served. */
  resolve(name: string): string {
    if (this.#members.hasGroup(name)) return name
    throw modelNotFound(name, this.#members.modelNames)
  }
}
