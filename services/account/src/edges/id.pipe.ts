import type { PipeTransform } from '@nestjs/common';
import { Fault } from '@tunan/kernel';

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Lets through what can be an id of ours; for anything else the answer is known without asking the database. */
export class IdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (ID.test(value)) return value;
    throw new Fault('not_found', 'No such account or key.');
  }
}
