import type { ContractSpec, ExchangeHandler, Port, ServiceName } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import {
  Callers,
  httpPort,
  localPort,
  LocalStage,
  RpcServer,
  sendFault,
  StageClient,
  StageServer,
  type RequestHandler,
  type ServiceInstance,
  type StageName,
} from '@tunan/service-kit';
import { PING_PATH, type Peers } from './peers.js';

/**
 * How services of this process reach each other and the rest: a contract or stage of a target is a function call,
 * anything else goes over HTTP.
 */
export class Bindings {
  readonly #contracts = new Map<ServiceName, object>();
  readonly #stages = new Map<StageName, ExchangeHandler>();
  readonly #rpc: RpcServer;
  readonly #stageServer: StageServer;

  constructor(
    private readonly targets: readonly ServiceName[],
    private readonly peers: Peers,
    /** First the token that a caller sends, then others that are still accepted of it. */
    private readonly tokens: Readonly<Record<ServiceName, readonly string[]>>,
    private readonly clock: Clock,
  ) {
    const callers = new Callers(tokens);
    this.#rpc = new RpcServer(callers);
    this.#stageServer = new StageServer(callers, clock);
  }

  /** Makes a started service reachable. */
  provide(instance: ServiceInstance): void {
    for (const provided of instance.contracts) {
      this.#contracts.set(provided.contract.service, provided.implementation);
      this.#rpc.provide(provided);
    }
    for (const [name, handler] of Object.entries(instance.stages) as [StageName, ExchangeHandler][]) {
      this.#stages.set(name, handler);
      this.#stageServer.provide(name, handler);
    }
  }

  /** The calls of a contract, as `caller` makes them. */
  port<Contract extends ContractSpec>(caller: ServiceName, contract: Contract): Port<Contract> {
    if (this.targets.includes(contract.service))
      return localPort(contract, () => this.#contracts.get(contract.service));
    return httpPort(contract, this.peers.of(contract.service), this.tokens[caller][0]!);
  }

  /** A stage of the data plane, as `caller` sends exchanges to it. */
  stage(caller: ServiceName, name: StageName): ExchangeHandler {
    if (this.targets.includes(name.split('/', 1)[0] as ServiceName))
      return new LocalStage(name, () => this.#stages.get(name));
    return new StageClient(name, this.peers.of(name), this.tokens[caller][0]!, this.clock);
  }

  /** Answers the internal listener. */
  readonly handle: RequestHandler = (request, response) => {
    if (request.url === PING_PATH) response.writeHead(204).end();
    else if (this.#rpc.matches(request)) void this.#rpc.handle(request, response);
    else if (this.#stageServer.matches(request)) void this.#stageServer.handle(request, response);
    else sendFault(response, new Fault('not_found', 'No such call.'));
  };

  /** True if another process may call a service of this one. */
  static hasOutsideCallers(targets: readonly ServiceName[]): boolean {
    const calledBy: Readonly<Partial<Record<ServiceName, readonly ServiceName[]>>> = {
      auth: ['account', 'billing', 'connector', 'ingress', 'router'],
      billing: ['account', 'auth'],
      connector: ['router'],
      router: ['ingress'],
    };
    return targets.some((target) => calledBy[target]?.some((caller) => !targets.includes(caller)) ?? false);
  }
}
